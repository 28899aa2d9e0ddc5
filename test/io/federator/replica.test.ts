import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { Catalog, Operation } from "#lib/ports/catalog.ts";
import { openReplicaStore } from "../../../federator/io/replica-store.ts";
import { type RunningReplica, startReplica } from "../../../federator/io/replica.ts";
import type { AppliedRevision } from "../../../federator/ports.ts";
import { cuttableCatalog } from "./support/cuttable-catalog.ts";
import { until } from "./support/until.ts";

const log = pino({ level: "silent" });
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "meridian-replica-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const file = (name: string): string => join(directory, name, "replica.sqlite");
const newCatalog = (): Catalog => createMemoryCatalog({ clock: systemClock });
const put = (key: string, value = "1"): Operation => ({ kind: "put", key, value });
const write = async (catalog: Catalog, ...operations: readonly Operation[]): Promise<number> =>
  (await catalog.txn({ compares: [], operations })).revision;

async function open(
  name: string,
  catalog: Catalog,
  acceptLargeRemovals = false,
): Promise<RunningReplica & { readonly applied: AppliedRevision[] }> {
  const replica = await startReplica({
    catalog,
    store: await openReplicaStore(file(name), log),
    clock: systemClock,
    random: { next: () => 0 },
    log,
    acceptLargeRemovals,
  });
  const applied: AppliedRevision[] = [];
  replica.onApplied((one) => applied.push(one));
  return { ...replica, applied };
}
const reaches = (replica: RunningReplica, revision: number): Promise<void> =>
  replica.waitFor(revision, AbortSignal.timeout(10_000));

test("each revision is applied once and in order, over restarts and broken links", async () => {
  const catalog = newCatalog();
  const link = cuttableCatalog(catalog);
  await write(catalog, put("functions/demo/a"));
  const first = await open("resume", link);
  await reaches(first, await write(catalog, put("x", "1")));

  link.cut();
  await write(catalog, put("x", "2"));
  const inTheGap = await write(catalog, put("x", "3"), { kind: "delete", key: "functions/demo/a" });
  link.mend();
  await reaches(first, inTheGap);
  await first.close();

  const whileAway = await write(catalog, put("y"));
  const second = await open("resume", link);
  await reaches(second, whileAway);
  assert.deepEqual(second.keys(), ["x", "y"]);
  assert.equal(second.get("x")?.value, "3");
  await second.close();

  const revisions = [...first.applied, ...second.applied]
    .filter(({ isSnapshot }) => !isSnapshot)
    .map(({ position }) => position.revision);
  assert.deepEqual(revisions.slice(-3), [inTheGap - 1, inTheGap, whileAway]);
  assert.equal(second.applied.filter(({ isSnapshot }) => isSnapshot).length, 0);
});

test("without the catalog it serves what is on disk", async () => {
  const catalog = newCatalog();
  const link = cuttableCatalog(catalog);
  const before = await open("offline", link);
  const revision = await write(catalog, put("x", "kept"));
  await reaches(before, revision);
  await before.close();

  link.cut();
  const replica = await open("offline", link);
  assert.equal(replica.get("x")?.value, "kept");
  assert.equal(replica.position().revision, revision);
  assert.equal(replica.ageMs(), Number.POSITIVE_INFINITY);
  await replica.close();
});

test("after a compaction it takes a snapshot and changes only what differs", async () => {
  const catalog = newCatalog();
  const before = await open("compacted", catalog);
  await reaches(before, await write(catalog, put("same"), put("changed", "old"), put("gone")));
  await before.close();

  await write(catalog, put("changed", "new"), { kind: "delete", key: "gone" });
  const newest = await write(catalog, put("added"));
  await catalog.compact(newest);
  const replica = await open("compacted", catalog);
  await reaches(replica, newest);
  assert.deepEqual(replica.keys(), ["added", "changed", "same"]);
  assert.equal(replica.applied.length, 1);
  const [snapshot] = replica.applied;
  assert.equal(snapshot?.isSnapshot, true);
  const touched = snapshot.changes.map((one) => (one.kind === "put" ? one.record.key : one.key));
  assert.deepEqual(touched.toSorted(), ["added", "changed", "gone"]);
  await replica.close();
});

test("another incarnation is taken over as a whole, also when its revisions are lower", async () => {
  const old = newCatalog();
  const before = await open("restored", old);
  await write(old, put("only-here"));
  await reaches(before, await write(old, put("both")));
  await before.close();

  const restored = newCatalog();
  await write(restored, put("both", "restored"));
  const replica = await open("restored", restored);
  await until(
    "the restored catalog is shown",
    async () => replica.get("both")?.value === "restored",
  );
  assert.deepEqual(replica.keys(), ["both"]);
  assert.notEqual(replica.position().incarnation, before.position().incarnation);
  await replica.close();
});

test("a catalog that lost many functions is not followed until an operator says so", async () => {
  const functions = Array.from({ length: 25 }, (_, index) => `functions/demo/f${index}`);
  const full = newCatalog();
  const before = await open("emptied", full);
  await reaches(before, await write(full, ...functions.map((key) => put(key))));
  await before.close();

  const emptied = newCatalog();
  await write(emptied, put("something-else"));
  const wary = await open("emptied", emptied);
  await until("the loss is noticed", async () => wary.heldBack() !== null);
  assert.deepEqual(wary.heldBack(), { removed: 25, held: 25, isSuspicious: true });
  assert.equal(wary.list("functions/").length, 25);
  assert.equal(wary.position().incarnation, before.position().incarnation);
  await wary.close();

  const told = await open("emptied", emptied, true);
  await until("the loss is accepted", async () => told.keys().join() === "something-else");
  assert.equal(told.heldBack(), null);
  await told.close();
});

test("waiting for a revision ends with its signal", async () => {
  const replica = await open("waiting", newCatalog());
  await assert.rejects(replica.waitFor(1_000_000, AbortSignal.timeout(20)));
  await replica.close();
});

test("a copy that cannot be read is put aside and made anew", async () => {
  const catalog = newCatalog();
  const before = await open("damaged", catalog);
  const revision = await write(catalog, put("x"));
  await reaches(before, revision);
  await before.close();
  await writeFile(file("damaged"), "this is no database, and long enough to be looked at");

  const replica = await open("damaged", catalog);
  await reaches(replica, revision);
  assert.deepEqual(replica.keys(), ["x"]);
  await replica.close();
});

test("killed at any moment, the copy on disk is exactly at its position", async () => {
  const script = join(import.meta.dirname, "support/write-without-end.ts");
  for (let run = 0; run < 3; run += 1) {
    const writer = spawn(process.execPath, [script, file("killed")], { stdio: "pipe" });
    await once(writer.stdout, "data");
    writer.kill("SIGKILL");
    await once(writer, "exit");
    const store = await openReplicaStore(file("killed"), log);
    const { position, records } = await store.load();
    assert.ok(position !== undefined && position.revision >= 50);
    assert.deepEqual(
      records.map(({ key, value }) => `${key}=${value}`),
      [`a=${position.revision}`, `b=${position.revision}`],
    );
    await store.close();
  }
});
