import assert from "node:assert/strict";
import { test } from "node:test";
import { decideKpa, initialKpaState } from "../../../../agents/core/scaling/decide-kpa.ts";
import { NOW_MS, run, spec, WINDOW_MS } from "./support/run-kpa.ts";

/* Boundaries: where an average of the last digit or a millisecond would decide otherwise. */

const exactly = [
  { target: 0.5, instances: 1, desired: 1 },
  { target: 0.5, instances: 7, desired: 7 },
  { target: 10, instances: 1_000, desired: 1_000 },
  { target: 0.7, instances: 10, desired: 10 },
  // 2.1 / 0.7 is a little more than 3 in binary, for Knative as well.
  { target: 0.7, instances: 3, desired: 4 },
  { target: 0.7, instances: 1_000, desired: 1_001 },
] as const;
for (const { target, instances, desired } of exactly)
  test(`kpa: ${instances} times a target of ${target} asks for ${desired}, a millionth more for ${instances + 1}`, () => {
    const of = spec(target, 0, { panicThreshold: 100 });
    const ask = (stable: number, wanted: number) =>
      run(of, [{ ready: instances, stable, panic: 0, desired: wanted }]);
    const calls = Math.round(target * instances * 1e6) / 1e6;
    ask(calls, desired);
    ask(calls - 1e-6, instances);
    ask(calls + 1e-6, instances + 1);
  });

test("kpa: panic begins at the threshold itself and ends after the window, not at its end", () => {
  const of = spec(1, 0);
  run(of, [{ ready: 2, stable: 2, panic: 3, desired: 2, panicAtMs: null }]);
  run(of, [
    { ready: 2, stable: 2, panic: 4, desired: 4, panicAtMs: 0 },
    { ready: 4, stable: 3, panic: 3, atMs: WINDOW_MS, desired: 4, panicAtMs: 0 },
    { ready: 4, stable: 3, panic: 3, atMs: WINDOW_MS + 1, desired: 3, panicAtMs: null },
  ]);
});

test("kpa: capacity for a burst is rounded down, below zero too", () => {
  const of = { ...spec(0.7, 211), total: 1 };
  for (const [ready, calls, excess] of [
    [211, 0, 0],
    [211, 0.5, -1],
    [212, 0.5, 0],
    [1, 0.5, -211],
  ] as const) {
    const seen = { readyInstances: ready, stableCalls: 0, panicCalls: calls, isReachable: true };
    const decision = decideKpa(initialKpaState(0, NOW_MS), seen, of, NOW_MS);
    assert.equal(decision.excessBurstCapacity, excess);
  }
});
