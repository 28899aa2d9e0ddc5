import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import type { Catalog } from "#lib/ports/catalog.ts";
import {
  commit,
  failsWith,
  newestRevision,
  put,
  read,
  readAll,
  until,
} from "../../contract/catalog/support.ts";
import { type FaultProxy, startFaultProxy } from "../../support/fault-proxy.ts";
import { type SeededRandom, seededRandom } from "../../simulation/engine/seeded-random.ts";
import { openEtcd } from "../open-etcd-catalog.ts";
import { needsEtcd, sharedCluster } from "./support.ts";

const endpoints = sharedCluster();

/** The first message of a connection passes, without which nothing is asked on it. */
const GREETING_BYTES = 1;
const QUICK = { attemptTimeoutMs: 400, pauseMsMin: 5, pauseMsMax: 50 };

// B3: etcd3 sent one put() whose answer was lost twice, and told the winner of a creation that it had lost.
test("a write whose answer is lost is found to have been made, once", needsEtcd, async (t) => {
  const proxy = await startFaultProxy(t, endpoints()[0] ?? "");
  const keyPrefix = "lost-answer/";
  const catalog = await openEtcd(t, [proxy.url], { ...QUICK, keyPrefix });
  const direct = await openEtcd(t, endpoints(), { keyPrefix, writerName: "direct" });
  await commit(catalog, put("first"));
  for (let round = 0; round < 12; round++) {
    const key = `k/${round}`;
    proxy.dropReplies();
    const writing = catalog.txn({
      compares: [{ kind: "absent", key }],
      operations: [put(key, "ours"), put("count", String(round))],
    });
    await until(async () => (await read(direct, key)) !== undefined, "it is made");
    // Longer than an attempt: the answer of asking what became of it is lost too.
    if (round % 4 === 0) await delay(QUICK.attemptTimeoutMs * 1.5);
    proxy.heal();
    const result = await writing;
    const record = await read(direct, key);
    assert.deepEqual(
      [result.kind, result.revision],
      ["committed", record?.modRevision],
      "the winner is told so, with its revision",
    );
    assert.equal((await read(direct, "count"))?.modRevision, result.revision);
  }
});

test("a write that never arrived is made once, when it is sent again", needsEtcd, async (t) => {
  const proxy = await startFaultProxy(t, endpoints()[0] ?? "");
  const catalog = await openEtcd(t, [proxy.url], { ...QUICK, keyPrefix: "lost-question/" });
  const first = await commit(catalog, put("first"));
  for (let round = 0; round < 10; round++) {
    proxy.blackHole();
    const writing = catalog.txn({
      compares: [{ kind: "absent", key: `k/${round}` }],
      operations: [put(`k/${round}`)],
    });
    await delay(round * 10);
    proxy.heal();
    assert.equal((await writing).kind, "committed");
  }
  const records = await readAll(catalog, "k/");
  assert.equal(records.length, 10);
  assert.ok(records.every(({ createRevision, modRevision }) => createRevision === modRevision));
  assert.ok(records.every(({ modRevision }) => modRevision > first));
});

test(
  "a write that never arrived is made once, also when the answer that it was not made is lost",
  needsEtcd,
  async (t) => {
    const proxy = await startFaultProxy(t, endpoints()[0] ?? "");
    const keyPrefix = "lost-fence/";
    const catalog = await openEtcd(t, [proxy.url], { ...QUICK, keyPrefix });
    const direct = await openEtcd(t, endpoints(), { keyPrefix, writerName: "direct" });
    const before = await commit(catalog, put("first"));
    proxy.blackHole();
    const writing = commit(catalog, put("k"));
    await delay(QUICK.attemptTimeoutMs / 2);
    // The write is swallowed; what comes after it arrives, unanswered.
    proxy.dropReplies(GREETING_BYTES);
    await until(async () => (await newestRevision(direct)) > before, "the fence");
    proxy.heal();
    const revision = await writing;
    assert.deepEqual(
      (await readAll(catalog, "k")).map(({ createRevision, modRevision }) => [
        createRevision,
        modRevision,
      ]),
      [[revision, revision]],
    );
  },
);

test(
  "many increments over a wire that loses answers at random are each made exactly once",
  needsEtcd,
  async (t) => {
    const proxy = await startFaultProxy(t, endpoints()[0] ?? "");
    const keyPrefix = "increments/";
    const catalog = await openEtcd(t, [proxy.url], { ...QUICK, keyPrefix });
    await commit(catalog, ...Array.from({ length: 8 }, (_, index) => put(`n/${index}`, "0")));
    const stopping = new AbortController();
    const losing = loseAtRandom(proxy, seededRandom("increments"), stopping.signal);
    const incrementing = Promise.all(
      Array.from({ length: 8 }, (_, index) => incrementAlone(catalog, `n/${index}`, 150)),
    );
    const counted = await incrementing.finally(() => stopping.abort());
    await losing;
    const direct = await openEtcd(t, endpoints(), { keyPrefix, writerName: "direct" });
    const records = await readAll(direct, "n/");
    assert.deepEqual(
      records.map(({ value }) => Number(value)),
      counted,
    );
  },
);

test(
  "while its fate is asked for in vain the answer is that nobody knows, and later it can no longer be made",
  needsEtcd,
  async (t) => {
    const proxy = await startFaultProxy(t, endpoints()[0] ?? "");
    const keyPrefix = "in-vain/";
    const catalog = await openEtcd(t, [proxy.url], { ...QUICK, keyPrefix, callTimeoutMs: 900 });
    const direct = await openEtcd(t, endpoints(), { keyPrefix, writerName: "direct" });
    await commit(catalog, put("k", "before"));
    proxy.dropReplies();
    await assert.rejects(commit(catalog, put("k", "lost")), failsWith("MERIDIAN_WRITE_AMBIGUOUS"));
    proxy.heal();
    const seen = await read(direct, "k");
    const next = await commit(catalog, put("other"));
    assert.deepEqual(await read(direct, "k"), seen, "made before, or never");
    assert.ok(next > (seen?.modRevision ?? 0));
  },
);

test(
  "a process that starts under the name of a running one takes its marks, and neither writes twice",
  needsEtcd,
  async (t) => {
    const keyPrefix = "one-name/";
    const old = await openEtcd(t, endpoints(), { keyPrefix });
    const young = await openEtcd(t, endpoints(), { keyPrefix });
    await commit(old, put("n/0", "0"), put("n/1", "0"));
    const counted = await Promise.all([
      incrementAlone(old, "n/0", 60),
      incrementAlone(young, "n/1", 60),
    ]);
    assert.deepEqual(
      (await readAll(old, "n/")).map(({ value }) => Number(value)),
      counted,
    );
  },
);

test("marks are no part of the catalog", needsEtcd, async (t) => {
  const keyPrefix = "marks/";
  const catalog = await openEtcd(t, endpoints(), { keyPrefix });
  await commit(catalog, put("k"));
  assert.deepEqual(
    (await readAll(catalog, "")).map(({ key }) => key),
    ["k"],
  );
  const beside = await openEtcd(t, endpoints(), { keyPrefix: "marks-writers/test/" });
  assert.equal((await readAll(beside, "")).length, 1, "one write at a time needs one");
});

/** Increments until so many were acknowledged or conflicted with an earlier sending of ours; returns what it must hold. */
async function incrementAlone(catalog: Catalog, key: string, times: number): Promise<number> {
  let record = await read(catalog, key);
  for (let made = 0; made < times; made++) {
    assert.ok(record !== undefined);
    const value = String(Number(record.value) + 1);
    const result = await catalog.txn({
      compares: [{ kind: "modified-at", key, revision: record.modRevision }],
      operations: [put(key, value)],
    });
    // Nobody else writes this key: a conflict would be with a lost sending of our own.
    assert.equal(result.kind, "committed");
    record = { ...record, value, modRevision: result.revision };
  }
  return times;
}

async function loseAtRandom(
  proxy: FaultProxy,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(random.between(20, 80));
    if (random.chance(0.5)) proxy.dropReplies(GREETING_BYTES);
    else proxy.blackHole();
    await delay(random.between(0, 20));
    proxy.heal();
  }
}
