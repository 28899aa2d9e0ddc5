import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { runLoop } from "../../../federator/io/run-loop.ts";

/** A clock whose pauses are over at once, and are written down. */
function recordingClock() {
  let nowMs = 0;
  const pausesMs: number[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    wallMs: () => 0,
    sleep: async (delayMs) => {
      pausesMs.push(delayMs);
      nowMs += delayMs;
    },
  };
  return { clock, pausesMs, work: (forMs: number) => (nowMs += forMs) };
}

async function turns(
  count: number,
  intervalMs: number | (() => number),
  turn: (index: number, work: (forMs: number) => void) => void,
): Promise<readonly number[]> {
  const { clock, pausesMs, work } = recordingClock();
  const ending = new AbortController();
  let index = 0;
  const options = { name: "test", intervalMs, clock, log: pino({ level: "silent" }) };
  const loop = runLoop({ ...options, signal: ending.signal }, () => {
    index += 1;
    if (index === count) ending.abort();
    turn(index, work);
  });
  await loop.ended;
  return pausesMs.slice(0, count - 1);
}

test("turns begin at their pace, however long each takes", async () => {
  const took = [0, 200, 499, 500, 900, 0];
  const pauses = await turns(6, 500, (index, work) => work(took[index - 1] ?? 0));
  assert.deepEqual(pauses, [500, 300, 1, 0, 0]);
});

test("a turn that fails is followed by the next, at the same pace", async () => {
  const pauses = await turns(4, 500, (index) => {
    if (index < 4) throw new Error("the world is not there");
  });
  assert.deepEqual(pauses, [500, 500, 500]);
});

test("the pace may change from turn to turn", async () => {
  let paceMs = 100;
  const pauses = await turns(
    4,
    () => paceMs,
    (index) => {
      if (index === 2) paceMs = 500;
    },
  );
  assert.deepEqual(pauses, [100, 500, 500]);
});

test("woken in its pause or during a turn, it takes another turn at once", async () => {
  const ending = new AbortController();
  const steps = ["wake during the turn", "wake in the pause", "end"];
  const clock: Clock = {
    nowMs: () => 0,
    wallMs: () => 0,
    sleep: (_delayMs, signal) =>
      new Promise((_resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason as Error);
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
        setImmediate(() => loop.wake());
      }),
  };
  const seen: (string | undefined)[] = [];
  const options = { name: "test", intervalMs: 1e9, clock, log: pino({ level: "silent" }) };
  const loop = runLoop({ ...options, signal: ending.signal }, async () => {
    await Promise.resolve();
    const step = steps[seen.length];
    seen.push(step);
    if (step === "wake during the turn") loop.wake();
    if (step === "end") ending.abort();
  });
  await loop.ended;
  assert.deepEqual(seen, steps);
});
