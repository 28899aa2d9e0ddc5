import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import {
  commit,
  failsWith,
  type OpenCatalog,
  put,
  read,
  readAll,
  remove,
  until,
  watching,
} from "./support.ts";

const TTL_MS = 300;
const LONG_MS = 60_000;

export function leaseCases(open: OpenCatalog): void {
  test("a lease that is not renewed takes its records with it, in one revision", async (t) => {
    const catalog = await open(t);
    const leaseId = await catalog.grantLease(TTL_MS);
    const keeper = await catalog.grantLease(LONG_MS);
    const written = await commit(
      catalog,
      put("s/a", "1", leaseId),
      put("s/b", "1", leaseId),
      put("s/c", "1", keeper),
      put("s/d", "1"),
    );
    assert.equal((await read(catalog, "s/a"))?.leaseId, leaseId);
    const watcher = watching(t, catalog, "s/", written);
    await watcher.until(() => watcher.changes().length > 0, "the expiry");
    assert.deepEqual(watcher.changes(), [`${written + 1} s/a gone`, `${written + 1} s/b gone`]);
    assert.deepEqual(
      (await readAll(catalog, "s/")).map(({ key }) => key),
      ["s/c", "s/d"],
    );
    assert.equal(await catalog.renewLease(leaseId), "gone");
  });

  test("a lease that is renewed lives on", async (t) => {
    const catalog = await open(t);
    // The margin is wide, for a machine that stalls; the other lease shows that time has passed.
    const renewed = await catalog.grantLease(TTL_MS * 10);
    const forgotten = await catalog.grantLease(TTL_MS * 10);
    await commit(catalog, put("renewed", "", renewed), put("forgotten", "", forgotten));
    await until(async () => {
      assert.equal(await catalog.renewLease(renewed), "renewed");
      await delay(50);
      return (await read(catalog, "forgotten")) === undefined;
    }, "the other lease's end");
    assert.equal((await read(catalog, "renewed"))?.leaseId, renewed);
  });

  test("a revoked lease takes its records at once, in one revision, and is gone", async (t) => {
    const catalog = await open(t);
    const leaseId = await catalog.grantLease(LONG_MS);
    const written = await commit(catalog, put("a", "", leaseId), put("b", "", leaseId), put("c"));
    await catalog.revokeLease(leaseId);
    const page = await catalog.range({ prefix: "" });
    assert.ok(page.kind === "page" && page.revision === written + 1);
    assert.deepEqual(
      page.records.map(({ key }) => key),
      ["c"],
    );
    assert.equal(await catalog.renewLease(leaseId), "gone");
    await catalog.revokeLease(leaseId);
  });

  test("a record follows the lease of its newest version only", async (t) => {
    const catalog = await open(t);
    const first = await catalog.grantLease(LONG_MS);
    const second = await catalog.grantLease(LONG_MS);
    await commit(
      catalog,
      put("freed", "", first),
      put("moved", "", first),
      put("again", "", first),
    );
    await commit(catalog, put("freed"), put("moved", "", second), remove("again"));
    const written = await commit(catalog, put("again"));
    await catalog.revokeLease(first);
    const page = await catalog.range({ prefix: "" });
    assert.ok(page.kind === "page" && page.revision === written, "nothing was left to delete");
    assert.equal(page.records.length, 3);
    await catalog.revokeLease(second);
    assert.deepEqual(
      (await readAll(catalog, "")).map(({ key }) => key),
      ["again", "freed"],
    );
  });

  test("a lease can hold more records than a transaction may have operations", async (t) => {
    const catalog = await open(t);
    const leaseId = await catalog.grantLease(LONG_MS);
    for (let group = 0; group < 3; group++)
      await commit(
        catalog,
        ...Array.from({ length: 60 }, (_, index) => put(`s/${group}/${index}`, "", leaseId)),
      );
    await catalog.revokeLease(leaseId);
    const page = await catalog.range({ prefix: "s/" });
    assert.ok(page.kind === "page" && page.revision === 4 && page.records.length === 0);
  });

  test("a put with an unknown lease is an error and leaves everything as it was", async (t) => {
    const catalog = await open(t);
    const before = await commit(catalog, put("k", "1"));
    const leaseId = await catalog.grantLease(LONG_MS);
    await catalog.revokeLease(leaseId);
    for (const unknown of [leaseId, "never-granted"])
      await assert.rejects(
        catalog.txn({ compares: [], operations: [put("k", "2"), put("l", "", unknown)] }),
        failsWith("MERIDIAN_NOT_FOUND"),
      );
    const page = await catalog.range({ prefix: "" });
    assert.ok(page.kind === "page" && page.revision === before && page.records.length === 1);
    const conflict = await catalog.txn({
      compares: [{ kind: "absent", key: "k" }],
      operations: [put("l", "", "never-granted")],
    });
    assert.equal(conflict.kind, "conflict", "what is not written needs no lease");
  });

  test("an unknown lease is gone, and no two leases are the same", async (t) => {
    const catalog = await open(t);
    assert.equal(await catalog.renewLease("never-granted"), "gone");
    const leaseIds = await Promise.all(
      Array.from({ length: 20 }, () => catalog.grantLease(LONG_MS)),
    );
    assert.equal(new Set(leaseIds).size, 20);
  });

  test("a time to live outside the limits is refused as a bad request", async (t) => {
    const catalog = await open(t);
    for (const ttlMs of [0, 99, 100.5, 3_600_001])
      await assert.rejects(catalog.grantLease(ttlMs), failsWith("MERIDIAN_BAD_REQUEST"));
  });
}
