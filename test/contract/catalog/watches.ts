import assert from "node:assert/strict";
import { test } from "node:test";
import {
  commit,
  failsWith,
  type OpenCatalog,
  put,
  remove,
  until,
  watching,
  type Watcher,
} from "./support.ts";

export function watchCases(open: OpenCatalog): void {
  test("a watch from the past delivers every revision once and in order, then goes on live", async (t) => {
    const catalog = await open(t);
    const first = await commit(catalog, put("k/a", "1"));
    await commit(catalog, put("k/a", "2"), put("k/b", "1"));
    await commit(catalog, remove("k/a"));
    const watcher = watching(t, catalog, "k/", first);
    await watcher.until(() => watcher.changes().length >= 3, "the past");
    await commit(catalog, put("k/c", "live"));
    await watcher.until(() => watcher.changes().length >= 4, "the live change");
    assert.deepEqual(watcher.changes(), [
      `${first + 1} k/a=2`,
      `${first + 1} k/b=1`,
      `${first + 2} k/a gone`,
      `${first + 3} k/c=live`,
    ]);
    const sizes = watcher.events.flatMap((event) =>
      event.kind === "revision" ? [event.changes.length] : [],
    );
    assert.deepEqual(sizes, [2, 1, 1], "a revision is one event");
  });

  test("a change carries the whole record as it was at its revision", async (t) => {
    const catalog = await open(t);
    const leaseId = await catalog.grantLease(60_000);
    const created = await commit(catalog, put("k", "1", leaseId));
    const changed = await commit(catalog, put("k", "2"));
    const watcher = watching(t, catalog, "", 0);
    await watcher.until(() => watcher.changes().length === 2, "both changes");
    const records = watcher.events.flatMap((event) =>
      event.kind === "revision"
        ? event.changes.map((change) => (change.kind === "put" ? change.record : change))
        : [],
    );
    assert.deepEqual(records, [
      { key: "k", value: "1", createRevision: created, modRevision: created, leaseId },
      { key: "k", value: "2", createRevision: created, modRevision: changed, leaseId: null },
    ]);
  });

  test("a watch hears its prefix and nothing else", async (t) => {
    const catalog = await open(t);
    const watcher = watching(t, catalog, "a/", 0);
    await commit(catalog, put("b/1"), put("a"));
    const second = await commit(catalog, put("a/1", "x"), put("b/1"));
    await commit(catalog, remove("b/1"));
    const last = await commit(catalog, put("a/2", "y"));
    await watcher.until(() => watcher.changes().length >= 2, "both changes");
    assert.deepEqual(watcher.changes(), [`${second} a/1=x`, `${last} a/2=y`]);
  });

  test("progress is told again and again while nothing happens, up to the newest revision", async (t) => {
    const catalog = await open(t);
    const watcher = watching(t, catalog, "a/", 0);
    const progress = () => watcher.events.filter(({ kind }) => kind === "progress");
    await watcher.until(() => progress().length >= 2, "two of them");
    const newest = await commit(catalog, put("b/1"));
    await watcher.until(
      () => progress().some((event) => event.kind === "progress" && event.revision === newest),
      "progress past a revision of another prefix",
    );
    const page = await catalog.range({ prefix: "" });
    const incarnations = new Set(watcher.events.map(({ incarnation }) => incarnation));
    assert.deepEqual([...incarnations], [page.kind === "page" ? page.incarnation : undefined]);
  });

  test("many watchers during concurrent writes each hear everything once and in order", async (t) => {
    const catalog = await open(t);
    await commit(catalog, put("k/start"));
    const watchers = [0, 0, 1, 1].map((afterRevision) => watching(t, catalog, "k/", afterRevision));
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 25; round++)
        await commit(catalog, put(`k/${writer}`, `${round}`));
    });
    await Promise.all(writers);
    const late = watching(t, catalog, "k/", 1);
    const expected = Array.from({ length: 200 }, (_, index) => index + 2);
    for (const watcher of [...watchers, late]) {
      await watcher.until(() => revisionsOf(watcher).at(-1) === 201, "the last revision");
      assert.deepEqual(
        revisionsOf(watcher).filter((revision) => revision > 1),
        expected,
      );
    }
  });

  test("a reader that pauses misses nothing, however much happens meanwhile", async (t) => {
    const catalog = await open(t);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const watch = catalog.watch({ prefix: "k/", afterRevision: 0 }, stopping.signal);
    const events = watch[Symbol.asyncIterator]();
    await commit(catalog, put("k/0"));
    let next = await events.next();
    while (next.value?.kind !== "revision") next = await events.next();
    for (let group = 0; group < 30; group++)
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          commit(catalog, put(`k/${index}`, `${group}-`.padEnd(8_192, "v"))),
        ),
      );
    const revisions: number[] = [];
    while (revisions.length < 1_500) {
      const { value } = await events.next();
      if (value?.kind === "revision") revisions.push(value.revision);
    }
    assert.deepEqual(
      revisions,
      Array.from({ length: 1_500 }, (_, index) => index + 2),
    );
  });

  test("a watch from before a compaction says so once and ends; one from the compacted revision works", async (t) => {
    const catalog = await open(t);
    await commit(catalog, put("k", "1"));
    const second = await commit(catalog, put("k", "2"));
    const third = await commit(catalog, put("k", "3"));
    await catalog.compact(second);
    const tooOld = watching(t, catalog, "", second - 1);
    await tooOld.ended;
    const page = await catalog.range({ prefix: "" });
    assert.deepEqual(tooOld.events, [
      {
        kind: "compacted",
        incarnation: page.kind === "page" ? page.incarnation : "",
        compactRevision: second,
      },
    ]);
    const justRight = watching(t, catalog, "", second);
    await justRight.until(() => justRight.changes().length === 1, "the kept revision");
    assert.deepEqual(justRight.changes(), [`${third} k=3`]);
  });

  test("a live watch survives a compaction of what it has delivered", async (t) => {
    const catalog = await open(t);
    const first = await commit(catalog, put("k", "1"));
    const watcher = watching(t, catalog, "", 0);
    await watcher.until(() => watcher.changes().length === 1, "the first change");
    await catalog.compact(first);
    const second = await commit(catalog, put("k", "2"));
    await watcher.until(() => watcher.changes().length === 2, "the second change");
    assert.deepEqual(watcher.changes(), [`${first} k=1`, `${second} k=2`]);
  });

  test("a watch from a revision still to come tells the real one and waits", async (t) => {
    const catalog = await open(t);
    const first = await commit(catalog, put("k", "1"));
    const watcher = watching(t, catalog, "", first + 1);
    await watcher.until(() => watcher.events.length > 0, "progress");
    const [progress] = watcher.events;
    assert.ok(progress?.kind === "progress" && progress.revision === first);
    await commit(catalog, put("k", "2"));
    const third = await commit(catalog, put("k", "3"));
    await watcher.until(() => watcher.changes().length > 0, "the third change");
    assert.deepEqual(watcher.changes(), [`${third} k=3`]);
  });

  test("an aborted watch ends without an error, waiting or delivering", async (t) => {
    const catalog = await open(t);
    await commit(catalog, put("k"));
    const waiting = watching(t, catalog, "", 0);
    await waiting.until(() => waiting.events.length > 0, "the first event");
    await waiting.stop();
    const heard = waiting.events.length;
    await commit(catalog, put("k"));
    assert.equal(waiting.events.length, heard);

    const stopping = new AbortController();
    for await (const event of catalog.watch({ prefix: "", afterRevision: 0 }, stopping.signal)) {
      assert.equal(event.kind, "revision");
      stopping.abort();
    }
    const never = catalog.watch({ prefix: "", afterRevision: 0 }, AbortSignal.abort());
    for await (const event of never) assert.fail(`delivered ${event.kind}`);
  });

  test("a reader may leave a watch and go on with its signal", async (t) => {
    const catalog = await open(t);
    await commit(catalog, put("k", "1"));
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    for (let round = 0; round < 3; round++)
      for await (const event of catalog.watch({ prefix: "", afterRevision: 0 }, stopping.signal)) {
        assert.equal(event.kind, "revision");
        break;
      }
    await until(async () => (await catalog.range({ prefix: "" })).kind === "page", "a last read");
  });

  test("a watch outside the limits is refused as a bad request", async (t) => {
    const catalog = await open(t);
    for (const query of [
      { prefix: "ä", afterRevision: 0 },
      { prefix: "", afterRevision: -1 },
    ])
      await assert.rejects(
        watching(t, catalog, query.prefix, query.afterRevision).ended,
        failsWith("MERIDIAN_BAD_REQUEST"),
      );
  });
}

const revisionsOf = ({ events }: Watcher): number[] =>
  events.flatMap((event) => (event.kind === "revision" ? [event.revision] : []));
