import assert from "node:assert/strict";
import { test } from "node:test";
import {
  commit,
  failsWith,
  newestRevision,
  type OpenCatalog,
  put,
  remove,
  until,
  watching,
} from "./support.ts";

export function watchCases(open: OpenCatalog): void {
  test("a watch from the past delivers every revision once and in order, then goes on live", async (t) => {
    const catalog = await open(t);
    const first = await commit(catalog, put("k/a", "1"));
    const second = await commit(catalog, put("k/a", "2"), put("k/b", "1"));
    const third = await commit(catalog, remove("k/a"));
    const watcher = watching(t, catalog, "k/", first);
    await watcher.until(() => watcher.changes().length >= 3, "the past");
    const live = await commit(catalog, put("k/c", "live"));
    await watcher.until(() => watcher.changes().length >= 4, "the live change");
    assert.deepEqual(watcher.changes(), [
      `${second} k/a=2`,
      `${second} k/b=1`,
      `${third} k/a gone`,
      `${live} k/c=live`,
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
    const watcher = watching(t, catalog, "", created - 1);
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
    const watcher = watching(t, catalog, "a/", await newestRevision(catalog));
    await commit(catalog, put("b/1"), put("a"));
    const second = await commit(catalog, put("a/1", "x"), put("b/1"));
    await commit(catalog, remove("b/1"));
    const last = await commit(catalog, put("a/2", "y"));
    await watcher.until(() => watcher.changes().length >= 2, "both changes");
    assert.deepEqual(watcher.changes(), [`${second} a/1=x`, `${last} a/2=y`]);
  });

  test("progress is told again and again while nothing happens, up to the newest revision", async (t) => {
    const catalog = await open(t);
    const watcher = watching(t, catalog, "a/", await newestRevision(catalog));
    const progress = () => watcher.events.filter(({ kind }) => kind === "progress");
    await watcher.until(() => progress().length >= 2, "two of them");
    const newest = await commit(catalog, put("b/1"));
    await watcher.until(
      () => progress().some((event) => event.kind === "progress" && event.revision >= newest),
      "progress past a revision of another prefix",
    );
    const page = await catalog.range({ prefix: "" });
    const incarnations = new Set(watcher.events.map(({ incarnation }) => incarnation));
    assert.deepEqual([...incarnations], [page.kind === "page" ? page.incarnation : undefined]);
  });

  test("many watchers during concurrent writes each hear everything once and in order", async (t) => {
    const catalog = await open(t);
    const start = await commit(catalog, put("k/start"));
    const watchers = [start - 1, start - 1, start, start].map((afterRevision) =>
      watching(t, catalog, "k/", afterRevision),
    );
    const committed: number[] = [];
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 25; round++)
        committed.push(await commit(catalog, put(`k/${writer}`, `${round}`)));
    });
    await Promise.all(writers);
    const late = watching(t, catalog, "k/", start);
    const expected = committed.toSorted((a, b) => a - b);
    assert.equal(new Set(expected).size, 200);
    for (const watcher of [...watchers, late]) {
      await watcher.until(() => watcher.revisions().at(-1) === expected.at(-1), "the last one");
      assert.deepEqual(
        watcher.revisions().filter((revision) => revision > start),
        expected,
      );
    }
  });

  test("a reader that pauses misses nothing, however much happens meanwhile", async (t) => {
    const catalog = await open(t);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const afterRevision = await newestRevision(catalog);
    const watch = catalog.watch({ prefix: "k/", afterRevision }, stopping.signal);
    const events = watch[Symbol.asyncIterator]();
    await commit(catalog, put("k/0"));
    let next = await events.next();
    while (next.value?.kind !== "revision") next = await events.next();
    const committed: number[] = [];
    for (let group = 0; group < 30; group++)
      committed.push(
        ...(await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            commit(catalog, put(`k/${index}`, `${group}-`.padEnd(8_192, "v"))),
          ),
        )),
      );
    const revisions: number[] = [];
    while (revisions.length < 1_500) {
      const { value } = await events.next();
      if (value?.kind === "revision") revisions.push(value.revision);
    }
    assert.deepEqual(
      revisions,
      committed.toSorted((a, b) => a - b),
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
    const watcher = watching(t, catalog, "", first - 1);
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
    const second = await commit(catalog, put("k", "2"));
    const third = await commit(catalog, put("k", "3"));
    await watcher.until(() => watcher.revisions().includes(third), "the third change");
    assert.deepEqual(
      watcher.revisions(),
      [second, third].filter((revision) => revision > first + 1),
    );
  });

  test("an aborted watch ends without an error, waiting or delivering", async (t) => {
    const catalog = await open(t);
    const afterRevision = await newestRevision(catalog);
    await commit(catalog, put("k"));
    const waiting = watching(t, catalog, "", afterRevision);
    await waiting.until(() => waiting.events.length > 0, "the first event");
    await waiting.stop();
    const heard = waiting.events.length;
    await commit(catalog, put("k"));
    assert.equal(waiting.events.length, heard);

    const stopping = new AbortController();
    for await (const event of catalog.watch({ prefix: "", afterRevision }, stopping.signal)) {
      assert.equal(event.kind, "revision");
      stopping.abort();
    }
    const never = catalog.watch({ prefix: "", afterRevision }, AbortSignal.abort());
    for await (const event of never) assert.fail(`delivered ${event.kind}`);
  });

  test("a reader may leave a watch and go on with its signal", async (t) => {
    const catalog = await open(t);
    const afterRevision = await newestRevision(catalog);
    await commit(catalog, put("k", "1"));
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    for (let round = 0; round < 3; round++)
      for await (const event of catalog.watch({ prefix: "", afterRevision }, stopping.signal)) {
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
