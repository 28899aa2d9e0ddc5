import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { startSqliteWorker } from "#lib/io/sqlite-worker-client.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import {
  commit,
  failsWith,
  put,
  readAll,
  remove,
  until,
  watching,
} from "../../contract/catalog/support.ts";
import { openSqlite, temporaryDirectory } from "./support/open-catalogs.ts";

test("a file is one incarnation for ever, and another file is another", async (t) => {
  const databaseFile = join(await temporaryDirectory(t), "catalog.sqlite");
  const incarnations: string[] = [];
  for (let opening = 0; opening < 3; opening++) {
    const catalog = await openSqlite(t, databaseFile);
    await commit(catalog, put(`k/${opening}`));
    incarnations.push((await catalog.status()).incarnation);
    assert.equal((await readAll(catalog, "k/")).length, opening + 1);
    await catalog.close();
  }
  assert.equal(new Set(incarnations).size, 1);
  const { incarnation } = await (await openSqlite(t)).status();
  assert.notEqual(incarnation, incarnations[0]);
  assert.equal((await stat(databaseFile)).mode & 0o077, 0, "others cannot read it");
});

test("a full file is an error to the writer: nothing is lost, reads go on, and freed space is used again", async (t) => {
  const catalog = await openSqlite(t, undefined, 1024 * 1024);
  const value = "v".repeat(60_000);
  const written: string[] = [];
  const fill = async (): Promise<void> => {
    for (let index = 0; index < 100; index++) {
      const key = `k/${String(index).padStart(3, "0")}`;
      await commit(catalog, put(key, value), put(`small/${index}`));
      written.push(key);
    }
  };
  await assert.rejects(fill(), failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
  assert.ok(written.length > 5);
  const isFull = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
  const group = Array.from({ length: 10 }, (_, index) =>
    assert.rejects(commit(catalog, put(`group/${index}`, index % 2 === 0 ? value : "")), isFull),
  );
  await Promise.all(group);

  const page = await catalog.range({ prefix: "k/" });
  assert.ok(page.kind === "page");
  assert.deepEqual(
    page.records.map(({ key }) => key),
    written,
  );
  assert.equal(page.revision, written.length, "a refused write takes no revision");
  const watcher = watching(t, catalog, "k/", 0);
  await watcher.until(() => watcher.changes().length === written.length, "the whole history");

  const freed = await commit(catalog, ...written.slice(0, 5).map((key) => remove(key)));
  await catalog.compact(freed);
  assert.equal(await commit(catalog, put("k/after", value)), freed + 1);
});

test("a second process cannot open the file", { timeout: 20_000 }, async (t) => {
  const directory = await temporaryDirectory(t);
  const databaseFile = join(directory, "catalog.sqlite");
  await openSqlite(t, databaseFile);
  await assert.rejects(openSqlite(t, databaseFile), /cannot be opened.*locked/);
});

test("a thread that ends unforeseen fails its calls, and its owner is told", async (t) => {
  const lost: Error[] = [];
  const worker = startSqliteWorker((cause) => lost.push(cause));
  t.after(() => worker.close());
  // Asking before opening is a broken assumption.
  const write = worker.call("commit", []);
  const read = worker.call("status", null);
  await assert.rejects(write, failsWith("MERIDIAN_WRITE_AMBIGUOUS"));
  await assert.rejects(read, failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
  await until(() => lost.length > 0, "the owner hears of it");
  await assert.rejects(worker.call("status", null), failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
  assert.equal(lost.length, 1);
});

test("a lease that ends while the file is full takes its records once there is room", async (t) => {
  const catalog = await openSqlite(t, undefined, 1024 * 1024);
  const value = "v".repeat(60_000);
  for (let version = 0; version < 5; version++) await commit(catalog, put("replaced", value));
  const leaseId = await catalog.grantLease(2_000);
  await commit(catalog, put("leased", "", leaseId));
  const fillers = await fillUp(catalog);
  await delay(2_200);
  assert.equal(await catalog.renewLease(leaseId), "gone");
  assert.equal((await readAll(catalog, "leased")).length, 1, "the file is too full to delete it");
  await catalog.compact((await catalog.status()).revision);
  await until(async () => (await readAll(catalog, "leased")).length === 0, "its record's end");
  assert.equal((await readAll(catalog, "k/")).length, fillers);
});

/** Leaves not even room for a small record. */
async function fillUp(catalog: Catalog): Promise<number> {
  let fillers = 0;
  for (const bytes of [60_000, 3_000, 1])
    for (let isFull = false; !isFull;) {
      const key = `k/${String(fillers).padStart(5, "0")}`;
      isFull = await commit(catalog, put(key, "v".repeat(bytes))).then(
        () => false,
        () => true,
      );
      if (!isFull) fillers += 1;
    }
  return fillers;
}
