import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type RunnerPool, runnerPool } from "../../../agents/drivers/pool/runner-pool.ts";
import { runnerSlots } from "../../../agents/drivers/pool/runner-slots.ts";

const NODE = { runtime: "node", memoryMegabytes: 128, network: "outbound" } as const;
/** More than the calm that the pool waits for, less than a start may take. */
const SOON_MS = 100;

interface PoolWorld {
  readonly pool: RunnerPool;
  readonly launched: string[];
  readonly killed: string[];
  readonly gone: string[];
  /** The launcher says that the newest runner is there, and the runner that it waits. */
  readonly becomesReady: () => void;
  readonly advance: (ms: number) => void;
}

function openPool(t: TestContext, runnersMax = 4): PoolWorld {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let nowMs = 0;
  const world = { launched: [] as string[], killed: [] as string[], gone: [] as string[] };
  const pool = runnerPool({
    runnersMax,
    always: [NODE],
    launch: () => {
      const id = `r-${world.launched.length + 1}`;
      world.launched.push(id);
      return { id, launched: Promise.resolve() };
    },
    kill: (id) => world.killed.push(id),
    onGone: (id) => world.gone.push(id),
    nowMs: () => nowMs,
  });
  t.after(pool.close);
  const advance = (ms: number): void => {
    nowMs += ms;
    t.mock.timers.tick(ms);
  };
  advance(SOON_MS);
  return {
    ...world,
    pool,
    advance,
    becomesReady: () => {
      const instance = world.launched.at(-1) ?? "";
      pool.onReport({
        kind: "started",
        instance,
        pid: 100 + world.launched.length,
        startedAt: "1",
      });
      pool.onReport({ kind: "output", instance, text: "pooled\n" });
    },
  };
}

test("a runner is taken once, and the next one is started in its place", (t) => {
  const { pool, launched, becomesReady, advance } = openPool(t);
  assert.deepEqual(launched, ["r-1"]);
  assert.equal(pool.take(NODE), undefined, "it does not wait yet");
  becomesReady();
  assert.equal(pool.take(NODE)?.instance, "r-1");
  assert.equal(pool.take(NODE), undefined);
  advance(SOON_MS);
  assert.deepEqual(launched, ["r-1", "r-2"]);
  assert.deepEqual(pool.pids(), []);
});

test("no runner is started while a call waits for a start", async (t) => {
  const { pool, launched, becomesReady, advance } = openPool(t);
  becomesReady();
  const started = Promise.withResolvers<void>();
  pool.take(NODE);
  pool.follow(started.promise);
  advance(SOON_MS);
  assert.deepEqual(launched, ["r-1"]);
  started.resolve();
  await started.promise.finally(() => undefined);
  advance(SOON_MS);
  assert.deepEqual(launched, ["r-1", "r-2"]);
});

test("a runner that does not say that it waits is ended, and not tried again at once", (t) => {
  const { pool, launched, killed, gone, advance } = openPool(t);
  pool.onReport({ kind: "started", instance: "r-1", pid: 7, startedAt: "1" });
  pool.onReport({ kind: "output", instance: "r-1", text: "something else\n" });
  advance(10_000);
  assert.deepEqual([killed, gone], [["r-1"], ["r-1"]]);
  advance(SOON_MS);
  assert.deepEqual(launched, ["r-1"]);
  advance(40_000);
  assert.deepEqual(launched, ["r-1", "r-2"]);
});

test("a runner that dies while it waits is not given to anybody", (t) => {
  const { pool, gone, becomesReady } = openPool(t);
  becomesReady();
  const exit = { code: 1, signal: null, isOutOfMemory: false };
  pool.onReport({ kind: "exited", instance: "r-1", ...exit });
  assert.equal(pool.take(NODE), undefined);
  assert.deepEqual(gone, ["r-1"]);
});

test("with the launcher all runners are gone", (t) => {
  const { pool, gone, becomesReady } = openPool(t);
  becomesReady();
  pool.onLost();
  assert.equal(pool.take(NODE), undefined);
  assert.deepEqual(gone, ["r-1"]);
});

test("without memory for one there is no pool", (t) => {
  const { launched, advance } = openPool(t, 0);
  advance(60_000);
  assert.deepEqual(launched, []);
});

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "slots-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("a slot is empty until it is filled with a function's code, folders included", async (t) => {
  const folder = await makeFolder(t);
  const [code, slots] = [join(folder, "code"), runnerSlots(join(folder, "slots"))];
  await mkdir(join(code, "inner"), { recursive: true });
  await writeFile(join(code, "index.mjs"), "one");
  await writeFile(join(code, "inner", "two.mjs"), "two");
  const slot = await slots.open("r-1");
  assert.deepEqual(await readdir(slot), []);
  assert.ok(slots.fits(code));
  await slots.fill("r-1", code);
  assert.equal(await readFile(join(slot, "index.mjs"), "utf8"), "one");
  assert.equal(await readFile(join(slot, "inner", "two.mjs"), "utf8"), "two");
  await slots.open("r-2");
  await slots.removeOthers((runner) => runner === "r-1");
  assert.deepEqual(await readdir(join(folder, "slots")), ["r-1"]);
});

const large: readonly [name: string, files: number, bytes: number][] = [
  ["many files", 100, 1],
  ["many bytes", 2, 5 * 1_048_576],
];
for (const [name, files, bytes] of large)
  test(`code of ${name} fits into no slot`, async (t) => {
    const folder = await makeFolder(t);
    for (let file = 0; file < files; file += 1)
      await writeFile(join(folder, `${file}.mjs`), Buffer.alloc(bytes));
    assert.equal(runnerSlots(join(folder, "slots")).fits(folder), false);
  });
