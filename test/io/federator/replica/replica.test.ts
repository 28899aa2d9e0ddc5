import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { after, before, test } from "node:test";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { cuttableCatalog } from "../support/cuttable-catalog.ts";
import {
  namedCatalog,
  put,
  reaches,
  remove,
  type ReplicaFolder,
  replicaFolder,
  write,
} from "../support/replicas.ts";
import { until } from "../support/until.ts";

let folder: ReplicaFolder;
before(async () => {
  folder = await replicaFolder();
});
after(() => folder.remove());

test("each revision is applied once and in order, over restarts and broken links", async () => {
  const catalog = await namedCatalog();
  const link = cuttableCatalog(catalog);
  await write(catalog, put("functions/demo/a"));
  const first = await folder.open("resume", link);
  await reaches(first, await write(catalog, put("x", "1")));

  link.cut();
  await write(catalog, put("x", "2"));
  const inTheGap = await write(catalog, put("x", "3"), remove("functions/demo/a"));
  link.mend();
  await reaches(first, inTheGap);
  await first.close();

  const whileAway = await write(catalog, put("y"));
  const second = await folder.open("resume", link);
  await reaches(second, whileAway);
  assert.deepEqual(second.shown(), ["x", "y"]);
  assert.equal(second.get("x")?.value, "3");
  await second.close();

  const revisions = [...first.applied, ...second.applied]
    .filter(({ isSnapshot }) => !isSnapshot)
    .map(({ position }) => position.revision);
  assert.deepEqual(revisions.slice(-3), [inTheGap - 1, inTheGap, whileAway]);
  assert.equal(second.applied.filter(({ isSnapshot }) => isSnapshot).length, 0);
});

test("without the catalog it serves what is on disk", async () => {
  const catalog = await namedCatalog();
  const link = cuttableCatalog(catalog);
  const before = await folder.open("offline", link);
  const revision = await write(catalog, put("x", "kept"));
  await reaches(before, revision);
  await before.close();

  link.cut();
  const replica = await folder.open("offline", link);
  assert.equal(replica.get("x")?.value, "kept");
  assert.equal(replica.position().revision, revision);
  assert.equal(replica.ageMs(), Number.POSITIVE_INFINITY);
  await replica.close();
});

test("a zone that was away for days takes a snapshot and changes only what differs", async () => {
  const catalog = await namedCatalog();
  const names = Array.from({ length: 3_000 }, (_, index) => String(index).padStart(4, "0"));
  const keyOf = (name: string) => `versions/demo/f/${name}`;
  const writeAll = async (...operations: readonly Parameters<typeof write>[1][]) => {
    let revision = 0;
    for (let from = 0; from < operations.length; from += 100)
      revision = await write(catalog, ...operations.slice(from, from + 100));
    return revision;
  };
  const before = await folder.open("away", catalog);
  await reaches(before, await writeAll(...names.map((name) => put(keyOf(name)))));
  await before.close();

  await writeAll(...names.slice(0, 200).map((name) => remove(keyOf(name))));
  await writeAll(...names.slice(200, 400).map((name) => put(keyOf(name), "changed")));
  await writeAll(...names.slice(0, 200).map((name) => put(keyOf(`new-${name}`))));
  const newest = await write(catalog, put("leader"));
  await catalog.compact(newest);

  const replica = await folder.open("away", catalog);
  await reaches(replica, newest);
  assert.equal(replica.count("versions/"), 3_000);
  assert.equal(replica.get(keyOf("0000")), undefined);
  assert.equal(replica.get(keyOf("0399"))?.value, "changed");
  assert.equal(replica.get(keyOf("0400"))?.value, "1");
  assert.equal(replica.get(keyOf("new-0199"))?.value, "1");
  assert.deepEqual([...replica.scan("versions/")], replica.list("versions/"));
  assert.equal(replica.stranded().count, 0);
  const [snapshot, ...more] = replica.applied;
  assert.deepEqual(more, []);
  assert.equal(snapshot?.isSnapshot, true);
  // Kinds that are few are told one by one.
  assert.deepEqual(
    snapshot.changes.map((one) => (one.kind === "put" ? one.record.key : one.key)),
    ["leader"],
  );
  await replica.close();
});

test("a revision that is forgotten while its pages are read is given up for a newer one", async () => {
  const catalog = await namedCatalog();
  const keys = Array.from({ length: 2_100 }, (_, index) => `versions/demo/f/${10_000 + index}`);
  for (let from = 0; from < keys.length; from += 100)
    await write(catalog, ...keys.slice(from, from + 100).map((key) => put(key)));
  let pages = 0;
  const forgetful = {
    ...catalog,
    range: async (...args: Parameters<typeof catalog.range>) => {
      const page = await catalog.range(...args);
      if ((args[0].limit ?? 0) > 1) pages += 1;
      if (pages === 1) await catalog.compact(await write(catalog, put("leader", String(pages))));
      return page;
    },
  };
  const replica = await folder.open("forgetful", forgetful);
  await until("the snapshot is there", async () => replica.count("versions/") === keys.length);
  assert.equal(replica.get("leader")?.value, "1");
  assert.ok(pages > 2);
  await replica.close();
});

test("a catalog that lost many functions in its history is followed once an operator says so", async () => {
  const functions = Array.from({ length: 25 }, (_, index) => `functions/demo/f${index}`);
  const catalog = await namedCatalog();
  const before = await folder.open("emptied", catalog);
  await reaches(before, await write(catalog, ...functions.map((key) => put(key))));
  await before.close();

  const newest = await write(catalog, ...functions.map(remove), put("something-else"));
  await catalog.compact(newest);
  const wary = await folder.open("emptied", catalog);
  assert.equal(wary.accept(), false);
  await until("the loss is noticed", async () => wary.heldBack() !== null);
  assert.deepEqual(wary.heldBack(), { removed: 25, held: 25, isSuspicious: true });
  assert.equal(wary.list("functions/").length, 25);
  assert.deepEqual(wary.position(), before.position());
  assert.equal(wary.accept(), true);
  await until("the loss is accepted", async () => wary.shown().join() === "something-else");
  assert.equal(wary.heldBack(), null);
  await wary.close();
});

test("waiting for a revision ends with its signal", async () => {
  const replica = await folder.open("waiting", await namedCatalog());
  await assert.rejects(replica.waitFor(1_000_000, AbortSignal.timeout(20)));
  await replica.close();
});

test("the log beside the file does not grow without end under a reader that never leaves", async () => {
  const catalog = createMemoryCatalog({ clock: systemClock });
  const replica = await folder.open("log", catalog);
  const value = "x".repeat(60_000);
  for (let index = 0; index < 100; index += 1)
    await reaches(
      replica,
      await write(
        catalog,
        ...Array.from({ length: 10 }, (_, at) => put(`versions/${at}`, `${index}${value}`)),
      ),
    );
  const { size } = await stat(`${folder.file("log")}-wal`);
  assert.ok(size < 40_000_000, `${size} bytes`);
  await replica.close();
});
