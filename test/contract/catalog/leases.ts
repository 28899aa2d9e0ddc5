import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { CATALOG_LIMITS } from "#lib/catalog/limits.ts";
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
    const [revision = 0] = watcher.revisions();
    assert.ok(revision > written);
    assert.deepEqual(watcher.changes(), [`${revision} s/a gone`, `${revision} s/b gone`]);
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
    const watcher = watching(t, catalog, "", written);
    await catalog.revokeLease(leaseId);
    assert.deepEqual(
      (await readAll(catalog, "")).map(({ key }) => key),
      ["c"],
    );
    await watcher.until(() => watcher.changes().length === 2, "both deletions");
    assert.equal(watcher.revisions().length, 1);
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
    await commit(catalog, put("again"));
    await catalog.revokeLease(first);
    assert.equal((await readAll(catalog, "")).length, 3, "nothing was left to delete");
    await catalog.revokeLease(second);
    assert.deepEqual(
      (await readAll(catalog, "")).map(({ key }) => key),
      ["again", "freed"],
    );
  });

  test("a lease can hold more records than a transaction may have operations", async (t) => {
    const catalog = await open(t);
    const leaseId = await catalog.grantLease(LONG_MS);
    let written = 0;
    for (let group = 0; group < 3; group++)
      written = await commit(
        catalog,
        ...Array.from({ length: 60 }, (_, index) => put(`s/${group}/${index}`, "", leaseId)),
      );
    const watcher = watching(t, catalog, "s/", written);
    await catalog.revokeLease(leaseId);
    assert.deepEqual(await readAll(catalog, "s/"), []);
    await watcher.until(() => watcher.changes().length === 180, "all deletions");
    assert.equal(watcher.revisions().length, 1);
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
    const records = await readAll(catalog, "");
    assert.deepEqual(
      records.map(({ key, value, modRevision }) => [key, value, modRevision]),
      [["k", "1", before]],
    );
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
    const { leaseTtlMsMin, leaseTtlMsMax } = CATALOG_LIMITS;
    for (const ttlMs of [0, leaseTtlMsMin - 1, 100.5, leaseTtlMsMax + 1, Number.NaN])
      await assert.rejects(catalog.grantLease(ttlMs), failsWith("MERIDIAN_BAD_REQUEST"));
    for (const ttlMs of [leaseTtlMsMin, leaseTtlMsMax])
      await catalog.revokeLease(await catalog.grantLease(ttlMs));
  });

  test("what cannot be a lease's name is refused as a bad request", async (t) => {
    const catalog = await open(t);
    const isRefused = failsWith("MERIDIAN_BAD_REQUEST");
    for (const name of ["", " ", "ä", "a\nb", "l".repeat(129)]) {
      await assert.rejects(catalog.renewLease(name), isRefused, JSON.stringify(name));
      await assert.rejects(catalog.revokeLease(name), isRefused);
      await assert.rejects(
        catalog.txn({ compares: [], operations: [put("k", "", name)] }),
        isRefused,
      );
    }
    assert.deepEqual(await readAll(catalog, ""), []);
    for (const name of ["l".repeat(128), "-1", "9223372036854775807", "99999999999999999999"])
      assert.equal(await catalog.renewLease(name), "gone", name);
  });
}
