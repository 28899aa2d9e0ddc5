import assert from "node:assert/strict";
import { test } from "node:test";
import { commit, newestRevision, put, until } from "../../contract/catalog/support.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { needsEtcd, readEverything, sharedCluster } from "./support.ts";

const endpoints = sharedCluster();

// B2: etcd3's watcher dies on a compaction, without a listener silently and in any case without the revision.
test(
  "a watch that compaction has overtaken is told so, with the revision, and a snapshot goes on from there",
  needsEtcd,
  async (t) => {
    const keyPrefix = "overtaken/";
    const proxy = await startFaultProxy(t, endpoints()[0] ?? "");
    const writer = await openEtcd(t, endpoints(), { keyPrefix, writerName: "writer" });
    const reader = await openEtcd(t, [proxy.url], { keyPrefix, pauseMsMin: 300 });
    const start = await newestRevision(writer);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const watch = reader.watch({ prefix: "", afterRevision: start }, stopping.signal);
    const events = watch[Symbol.asyncIterator]();
    const known = new Map<string, string>();
    const first = await commit(writer, put("k/0", "first"));
    let event = (await events.next()).value;
    while (event?.kind !== "revision") event = (await events.next()).value;
    assert.equal(event.revision, first);

    // While it is cut off, history goes on and is forgotten.
    proxy.cutAfter(() => 0);
    proxy.cutAll();
    const waiting = events.next();
    let last = 0;
    for (let index = 0; index < 50; index++)
      last = await commit(writer, put(`k/${index % 5}`, String(index)));
    await writer.compact(last);
    proxy.heal();
    let answer = await waiting;
    while (answer.value?.kind === "progress") answer = await events.next();
    assert.ok(answer.value?.kind === "compacted", JSON.stringify(answer.value));
    assert.equal(answer.value.compactRevision, last);
    assert.equal((await events.next()).done, true);

    const snapshot = await readEverything(reader, "");
    for (const [key, { value }] of snapshot) known.set(key, value);
    assert.deepEqual([...known.values()], ["45", "46", "47", "48", "49"]);
    const next = await commit(writer, put("k/0", "after"));
    for await (const change of reader.watch({ prefix: "", afterRevision: last }, stopping.signal)) {
      if (change.kind === "progress") continue;
      assert.ok(change.kind === "revision" && change.revision === next);
      stopping.abort();
    }
  },
);

test(
  "a reader that takes nothing for a long time holds up no other, and misses nothing",
  needsEtcd,
  async (t) => {
    const keyPrefix = "slow/";
    const catalog = await openEtcd(t, endpoints(), { keyPrefix, stallMs: 600 });
    const start = await newestRevision(catalog);
    const stopping = new AbortController();
    t.after(() => stopping.abort());
    const slow = catalog.watch({ prefix: "", afterRevision: start }, stopping.signal);
    const events = slow[Symbol.asyncIterator]();
    const value = "v".repeat(60_000);
    await commit(catalog, put("first"));
    while ((await events.next()).value?.kind !== "revision");

    const quick: number[] = [];
    const reading = (async () => {
      for await (const event of catalog.watch(
        { prefix: "", afterRevision: start },
        stopping.signal,
      ))
        if (event.kind === "revision") quick.push(event.revision);
    })();
    const committed: number[] = [];
    for (let index = 0; index < 100; index++)
      committed.push(await commit(catalog, ...[0, 1, 2].map((part) => put(`k/${part}`, value))));
    await until(() => quick.at(-1) === committed.at(-1), "the quick reader has everything");
    const delivered: number[] = [];
    while (delivered.length < committed.length) {
      const event = (await events.next()).value;
      if (event?.kind === "revision") delivered.push(event.revision);
    }
    assert.deepEqual(delivered, committed);
    stopping.abort();
    await reading;
  },
);

// B4: one range over gRPC's 4 MB opened etcd3's circuit breaker, and every other call failed for 5 s.
test(
  "a range of many megabytes comes in pages of about four, and disturbs no other call",
  needsEtcd,
  async (t) => {
    const keyPrefix = "large/";
    // It is about sizes: a machine with other things to do may take its time.
    const limits = { callTimeoutMs: 60_000, attemptTimeoutMs: 20_000 };
    const catalog = await openEtcd(t, endpoints(), { keyPrefix, ...limits });
    const small = Array.from(
      { length: 6_000 },
      (_, index) => `a/${String(index).padStart(5, "0")}`,
    );
    const large = Array.from({ length: 330 }, (_, index) => `b/${String(index).padStart(5, "0")}`);
    for (let index = 0; index < small.length; index += 100)
      await commit(catalog, ...small.slice(index, index + 100).map((key) => put(key, "small")));
    for (let index = 0; index < large.length; index += 15)
      await commit(
        catalog,
        ...large.slice(index, index + 15).map((key) => put(key, "v".repeat(65_536))),
      );

    const sizes: number[] = [];
    const keys: string[] = [];
    const reading = async (): Promise<void> => {
      // The small ones come first and make the reader expect small ones.
      for (let more = true; more;) {
        const page = await catalog.range({ prefix: "", afterKey: keys.at(-1) ?? "" });
        assert.ok(page.kind === "page");
        keys.push(...page.records.map(({ key }) => key));
        sizes.push(page.records.reduce((bytes, { value }) => bytes + value.length, 0));
        more = page.more;
      }
    };
    const read = new AbortController();
    const others = (async () => {
      while (!read.signal.aborted) await commit(catalog, put("c/other"));
    })();
    await Promise.all([reading().finally(() => read.abort()), others]);
    assert.deepEqual(
      keys.filter((key) => key !== "c/other"),
      [...small, ...large],
    );
    assert.ok(Math.max(...sizes) < 4.5 * 1024 * 1024, sizes.join());
    assert.ok(sizes.length < 20, `${sizes.length} pages`);
  },
);
