import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import type { FunctionAnswer } from "../../../agents/core/read-answer.ts";
import type { ReplayKey } from "../../../agents/core/replay-key.ts";
import { memoryReplays } from "../../../agents/io/memory-replays.ts";
import { replayFile } from "../../../agents/io/replay-file.ts";
import { KEY_BYTES, type ReplayLimits, type ReplayStore } from "../../../agents/io/replay-store.ts";

const WINDOW_MS = 1_000;
const LIMITS: ReplayLimits = { windowMs: WINDOW_MS, keysMax: 100, bytesMax: 1024 * 1024 };
const silent = pino({ level: "silent" });

interface TestStore {
  readonly store: ReplayStore;
  readonly clock: TestClock;
}
interface TestClock extends Clock {
  readonly advance: (ms: number) => void;
}

function testClock(): TestClock {
  let atMs = 1_000;
  const now = (): number => atMs;
  return {
    nowMs: now,
    wallMs: now,
    sleep: () => Promise.reject(new Error("not here")),
    advance: (ms) => (atMs += ms),
  };
}

const keyed = (id: string, tenant = "demo"): ReplayKey => ({
  source: "key",
  id,
  tenant,
  fingerprint: `request of ${id}`,
});
const answerOf = (body: string | Buffer): FunctionAnswer => ({
  status: 201,
  headers: { "content-type": "text/x", "set-cookie": ["a=1", "b=2"] },
  body: Buffer.from(body),
});

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "replays-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function onFile(t: TestContext, file: string, limits = LIMITS, clock = testClock()): TestStore {
  const store = replayFile(file, limits, clock, silent);
  t.after(store.close);
  return { store, clock };
}

const kinds: readonly [string, (t: TestContext, limits?: ReplayLimits) => Promise<TestStore>][] = [
  [
    "memory",
    (_t, limits = LIMITS) => {
      const clock = testClock();
      return Promise.resolve({ store: memoryReplays(limits, clock), clock });
    },
  ],
  ["file", async (t, limits) => onFile(t, join(await temporaryFolder(t), "keys.db"), limits)],
];

for (const [kind, open] of kinds) {
  test(`${kind}: a key is unknown, then started, then answered, and forgotten after its window`, async (t) => {
    const { store, clock } = await open(t);
    const { fingerprint } = keyed("one");
    assert.equal(await store.find("one"), undefined);
    assert.equal(await store.start(keyed("one")), true);
    assert.deepEqual(await store.find("one"), { fingerprint, state: "outcome-unknown" });
    assert.equal(await store.finish("one", answerOf("said")), true);
    clock.advance(WINDOW_MS - 1);
    const answer = answerOf("said");
    assert.deepEqual(await store.find("one"), { fingerprint, state: "answered", answer });
    clock.advance(1);
    assert.equal(await store.find("one"), undefined);
    assert.equal(await store.start(keyed("one")), true);
  });

  test(`${kind}: a forgotten key is unknown, and bodies of all sizes come back as they were`, async (t) => {
    const { store } = await open(t);
    await store.start(keyed("gone"));
    await store.forget("gone");
    assert.equal(await store.find("gone"), undefined);
    assert.equal(await store.finish("gone", answerOf("late")), false);
    for (const size of [0, 1, 300_000]) {
      const body = Buffer.alloc(size, size);
      await store.start(keyed(`of ${size}`));
      assert.equal(await store.finish(`of ${size}`, answerOf(body)), true);
      const found = await store.find(`of ${size}`);
      assert.ok(found?.state === "answered" && found.answer.body.equals(body));
    }
  });
}

test("memory: the oldest keys give way to new ones, by count and by bytes", async () => {
  const store = memoryReplays({ ...LIMITS, keysMax: 2 }, testClock());
  for (const id of ["a", "b", "c"]) await store.start(keyed(id));
  assert.deepEqual(await Promise.all(["a", "b", "c"].map(isKnown(store))), [false, true, true]);

  const bytesMax = 2 * KEY_BYTES + 5_000;
  const small = memoryReplays({ ...LIMITS, bytesMax }, testClock());
  for (const id of ["a", "b"]) {
    await small.start(keyed(id));
    assert.equal(await small.finish(id, answerOf(Buffer.alloc(4_000))), true);
  }
  assert.deepEqual(await Promise.all(["a", "b"].map(isKnown(small))), [false, true]);
});

test("file: what was promised stays; new keys find no room until windows end, and no tenant takes all of it", async (t) => {
  const file = join(await temporaryFolder(t), "keys.db");
  const { store, clock } = onFile(t, file, { ...LIMITS, keysMax: 4 });
  const start = (id: string, tenant: string) => store.start(keyed(id, tenant));
  assert.deepEqual(
    [await start("a", "demo"), await start("b", "demo"), await start("c", "demo")],
    [true, true, false],
  );
  assert.deepEqual([await start("d", "other"), await start("e", "other")], [true, true]);
  assert.equal(await start("f", "third"), false);
  assert.equal(await start("a", "demo"), true, "a key that is there takes no more room");
  clock.advance(WINDOW_MS);
  assert.equal(await start("f", "third"), true);
});

test("file: without room for its answer the key alone stays", async (t) => {
  const file = join(await temporaryFolder(t), "keys.db");
  const { store } = onFile(t, file, { ...LIMITS, bytesMax: 4 * KEY_BYTES });
  await store.start(keyed("one"));
  assert.equal(await store.finish("one", answerOf(Buffer.alloc(2 * KEY_BYTES))), false);
  assert.equal((await store.find("one"))?.state, "answer-not-kept");
});

test("file: keys are there for the next process, and room is counted anew", async (t) => {
  const file = join(await temporaryFolder(t), "keys.db");
  const limits = { ...LIMITS, keysMax: 4 };
  const first = onFile(t, file, limits);
  await first.store.start(keyed("a"));
  await first.store.start(keyed("b"));
  await first.store.finish("a", answerOf("said"));
  await first.store.close();
  const second = onFile(t, file, limits);
  assert.equal((await second.store.find("a"))?.state, "answered");
  assert.equal((await second.store.find("b"))?.state, "outcome-unknown");
  assert.equal(await second.store.start(keyed("c")), false);
});

test("file: a damaged one is put aside and begun anew", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "keys.db");
  await writeFile(file, Buffer.alloc(8_192, "damage"));
  const { store } = onFile(t, file);
  assert.equal(await store.start(keyed("a")), true);
  assert.equal((await store.find("a"))?.state, "outcome-unknown");
  assert.ok((await readdir(folder)).includes("keys.db.damaged"));
});

test("file: one that cannot be opened, or is closed, knows of no key whether it ran, and keeps none", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "in-the-way"), "");
  const { store } = onFile(t, join(folder, "in-the-way", "keys.db"));
  for (const _ of [1, 2]) {
    await assert.rejects(store.find("a"), { code: "MERIDIAN_OVERLOADED" });
    assert.equal(await store.start(keyed("a")), false);
  }
  const closed = onFile(t, join(folder, "keys.db"));
  await closed.store.start(keyed("a"));
  await closed.store.close();
  assert.equal(await closed.store.start(keyed("b")), false);
  await closed.store.forget("a");
  await assert.rejects(closed.store.find("a"), { code: "MERIDIAN_OVERLOADED" });
});

const isKnown =
  (store: ReplayStore) =>
  async (id: string): Promise<boolean> =>
    (await store.find(id)) !== undefined;
