import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  HOUR_MS,
  type MeteredEnd,
  type MeteredVersion,
  type UsageBatch,
  type UsageMeter,
  usageMeter,
} from "../../../agents/core/usage-meter.ts";

const HELLO: MeteredVersion = {
  tenant: "demo",
  functionName: "hello",
  version: 1,
  memoryMegabytes: 128,
};
const result = (initMs?: number): MeteredEnd => ({ kind: "result", initMs });

interface Step {
  readonly atMs: number;
  readonly began?: object;
  readonly ended?: object;
  readonly end?: MeteredEnd;
}
interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly counts: Partial<UsageBatch["rows"][number]>;
}
const one = { name: "one" };
const other = { name: "other" };

const cases: readonly Case[] = [
  {
    name: "a call is rounded up to a whole millisecond",
    steps: [
      { atMs: 10, began: one },
      { atMs: 12.01, ended: one, end: result() },
    ],
    counts: { invocations: 1, errors: 0, coldStarts: 0, billedMs: 3, megabyteMs: 384 },
  },
  {
    name: "a start that the call waited for counts with it",
    steps: [
      { atMs: 0, began: one },
      { atMs: 5, ended: one, end: result(40.2) },
    ],
    counts: { invocations: 1, coldStarts: 1, billedMs: 46 },
  },
  {
    name: "a failed call counts like any other",
    steps: [
      { atMs: 0, began: one },
      { atMs: 7, ended: one, end: { kind: "error", initMs: undefined } },
    ],
    counts: { invocations: 1, errors: 1, billedMs: 7 },
  },
  {
    name: "two calls at once on one instance are one time, rounded once",
    steps: [
      { atMs: 0, began: one },
      { atMs: 4.2, began: one },
      { atMs: 9, ended: one, end: result() },
      { atMs: 12.5, ended: one, end: result() },
    ],
    counts: { invocations: 2, billedMs: 13 },
  },
  {
    name: "on two instances they are two",
    steps: [
      { atMs: 0, began: one },
      { atMs: 0, began: other },
      { atMs: 10, ended: one, end: result() },
      { atMs: 10, ended: other, end: result() },
    ],
    counts: { invocations: 2, billedMs: 20 },
  },
  {
    name: "the time of a call is paid for, though one beside it that ends later is not",
    steps: [
      { atMs: 0, began: one },
      { atMs: 2, began: one },
      { atMs: 9.5, ended: one, end: result() },
      { atMs: 500, ended: one, end: { kind: "not-billed" } },
    ],
    counts: { invocations: 1, billedMs: 10, megabyteMs: 1_280 },
  },
  {
    name: "so it is where the one that is not ends first",
    steps: [
      { atMs: 0, began: one },
      { atMs: 2, began: one },
      { atMs: 3, ended: one, end: { kind: "not-billed" } },
      { atMs: 9.5, ended: one, end: result() },
    ],
    counts: { invocations: 1, billedMs: 10 },
  },
];
for (const { name, steps, counts } of cases)
  test(name, () => {
    const meter = usageMeter(0, 10);
    for (const { atMs, began, ended, end } of steps) {
      if (began !== undefined) meter.callBegan(HELLO, began, atMs);
      if (ended !== undefined) meter.callEnded(ended, end ?? result(), atMs);
    }
    const [row] = meter.nextBatch()?.rows ?? [];
    assert.ok(row !== undefined);
    for (const [count, value] of Object.entries(counts))
      assert.equal(row[count as keyof typeof row], value, count);
  });

test("what the platform lost, or never began, costs nothing", () => {
  const meter = usageMeter(0, 10);
  meter.callBegan(HELLO, one, 0);
  meter.callEnded(one, { kind: "not-billed" }, 500);
  meter.callEnded(one, result(), 600);
  assert.equal(meter.nextBatch(), undefined);
});

test("a call that still runs is counted as it goes, and rounded up only once", () => {
  const meter = usageMeter(0, 10);
  meter.callBegan(HELLO, one, 0);
  meter.tick(1_000.7, 0);
  assert.deepEqual(pick(meter), { invocations: 0, billedMs: 1_000 });
  meter.tick(1_001.4, 0);
  assert.deepEqual(pick(meter), { invocations: 0, billedMs: 1 });
  meter.callEnded(one, result(), 1_001.5);
  assert.deepEqual(pick(meter), { invocations: 1, billedMs: 1 });
});

test("a call beside one that is not paid for is paid once, whatever was counted as it went", () => {
  const meter = usageMeter(0, 10);
  meter.callBegan(HELLO, one, 0);
  meter.callBegan(HELLO, one, 10);
  meter.tick(500, 0);
  assert.deepEqual(pick(meter), { invocations: 0, billedMs: 500 });
  meter.callEnded(one, result(), 700);
  meter.callEnded(one, { kind: "not-billed" }, 900);
  assert.deepEqual(pick(meter), { invocations: 1, billedMs: 200 });
});

test("what a failed start answers is no invocation", () => {
  const meter = usageMeter(0, 10);
  meter.initFailed(HELLO);
  meter.sent(HELLO, 90);
  const [row] = meter.nextBatch()?.rows ?? [];
  assert.deepEqual(
    [row?.invocations, row?.initErrors, row?.billedMs, row?.egressBytes],
    [0, 1, 0, 90],
  );
});

test("each hour has rows of its own", () => {
  const meter = usageMeter(5 * HOUR_MS + 17, 10);
  meter.sent(HELLO, 1);
  meter.tick(0, 6 * HOUR_MS);
  meter.sent(HELLO, 2);
  assert.deepEqual(
    meter.nextBatch()?.rows.map(({ startMs, egressBytes }) => [startMs, egressBytes]),
    [
      [5 * HOUR_MS, 1],
      [6 * HOUR_MS, 2],
    ],
  );
});

test("a batch stays the same until it is written, and then comes what was counted since", () => {
  const meter = usageMeter(0, 10);
  meter.sent(HELLO, 1);
  const first = meter.nextBatch();
  meter.sent(HELLO, 2);
  assert.equal(meter.nextBatch(), first);
  meter.written(first?.sequence ?? 0);
  meter.written(7);
  const second = meter.nextBatch();
  assert.deepEqual([second?.sequence, second?.rows[0]?.egressBytes], [2, 2]);
});

test("while nothing can be written, memory is bounded and what finds no room is told", () => {
  const meter = usageMeter(0, 2);
  for (let version = 1; version <= 4; version += 1) meter.sent({ ...HELLO, version }, 1);
  assert.equal(meter.unwritten().rowCount, 2);
  assert.equal(meter.droppedCounts(), 2);
  assert.equal(meter.totals().egressBytes, 4);
});

function pick(meter: UsageMeter): { invocations: number; billedMs: number } {
  const batch = meter.nextBatch();
  const [row] = batch?.rows ?? [];
  meter.written(batch?.sequence ?? 0);
  return { invocations: row?.invocations ?? 0, billedMs: row?.billedMs ?? 0 };
}

/* What the book, the instances and the disk do, in any order. A write may reach the book and its answer not come back. */
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("begin"), instance: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("end"), instance: fc.nat(2) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.nat(3_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("write"),
      fate: fc.constantFrom("done", "done", "lost", "answer lost"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash") }) },
);

test("under any crashes nothing is billed that was not executed or twice, and no more is missing than was not written", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120, size: "max" }), (events) => {
      const world = metered();
      for (const happening of events) {
        if ("instance" in happening)
          world[happening.kind === "begin" ? "begin" : "end"](happening.instance);
        else if ("ms" in happening) world.wait(happening.ms / 7);
        else if ("fate" in happening) world.write(happening.fate);
        else world.crash();
        world.check();
      }
    }),
    { numRuns: 500 },
  );
});

/** The truth, and beside it what the meter and the book make of it. */
function metered() {
  const book = { invocations: 0, billedMs: 0 };
  const done = { invocations: 0, executedMs: 0 };
  /** At most so much is missing: what crashes took, and what is not written now. */
  const lost = { invocations: 0, executedMs: 0 };
  let unwritten = { invocations: 0, executedMs: 0 };
  let meter = usageMeter(0, 10);
  let inBook = 0;
  let nowMs = 0;
  let instances = fresh();
  const add = (invocations: number, executedMs: number): void => {
    for (const sum of [done, unwritten]) {
      sum.invocations += invocations;
      sum.executedMs += executedMs;
    }
  };
  return {
    begin: (index: number): void => {
      const instance = instances[index];
      if (instance === undefined) return;
      instance.calls += 1;
      meter.callBegan(HELLO, instance, nowMs);
    },
    end: (index: number): void => {
      const instance = instances[index];
      if (instance === undefined || instance.calls === 0) return;
      instance.calls -= 1;
      // Up to the next whole millisecond at the end of the time, and never more.
      add(1, instance.calls === 0 ? 1 : 0);
      meter.callEnded(instance, result(), nowMs);
    },
    wait: (ms: number): void => {
      nowMs += ms;
      add(0, ms * instances.filter(({ calls }) => calls > 0).length);
    },
    write: (fate: string): void => {
      meter.tick(nowMs, 0);
      const before = meter.unwritten().batch;
      const batch = meter.nextBatch();
      if (batch === undefined || fate === "lost") return;
      if (batch.sequence > inBook)
        for (const row of batch.rows) {
          book.invocations += row.invocations;
          book.billedMs += row.billedMs;
        }
      inBook = batch.sequence;
      if (fate === "answer lost") return;
      meter.written(batch.sequence);
      // A batch from before holds nothing of what came since; less than a millisecond of running calls is not counted yet.
      const running = instances.filter(({ calls }) => calls > 0).length;
      if (before === undefined) unwritten = { invocations: 0, executedMs: running };
    },
    crash: (): void => {
      lost.invocations += unwritten.invocations;
      lost.executedMs += unwritten.executedMs;
      unwritten = { invocations: 0, executedMs: 0 };
      meter = usageMeter(0, 10);
      inBook = 0;
      instances = fresh();
    },
    check: (): void => {
      const slack = 1e-6;
      assert.ok(book.invocations <= done.invocations);
      assert.ok(book.billedMs <= done.executedMs + slack);
      const missing = done.invocations - book.invocations;
      assert.ok(missing <= lost.invocations + unwritten.invocations);
      const missingMs = done.executedMs - book.billedMs;
      // The allowance of a millisecond for each end is not always used.
      assert.ok(missingMs <= lost.executedMs + unwritten.executedMs + done.invocations + slack);
    },
  };
}

const fresh = () => [{ calls: 0 }, { calls: 0 }, { calls: 0 }];
