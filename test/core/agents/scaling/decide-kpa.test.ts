import assert from "node:assert/strict";
import { test } from "node:test";
import {
  initialKpaState,
  type KpaSpec,
  type KpaState,
} from "../../../../agents/core/scaling/decide-kpa.ts";
import { NOW_MS, run, spec, type Step } from "./support/run-kpa.ts";

/*
 * The numbers are those of the unit tests of Knative's autoscaler (knative.dev/serving at 98e5ef90, Apache-2.0,
 * pkg/autoscaler/scaling/autoscaler_test.go): what goes in and what its `Scale` gives.
 */

/** Each step with the burst capacity by the rule that those tests state, whole and downwards, where it is no other. */
const withBurst = (of: KpaSpec, steps: readonly Step[]): Step[] =>
  steps.map(({ ready, panic, excess, ...step }) => {
    const byRule = Math.floor((of.target / 0.75) * ready - of.targetBurstCapacity - panic);
    return { ...step, ready, panic, excess: excess ?? byRule };
  });

const panicking = (instances: number): KpaState => ({
  panicSinceMs: NOW_MS - 5_000,
  panicInstancesMax: instances,
  delayed: [],
});

const single: readonly (Omit<Step, "atMs"> & {
  readonly name: string;
  readonly of: KpaSpec;
  readonly from?: KpaState;
})[] = [
  { name: "no calls", of: spec(10, 100), ready: 1, stable: 0, panic: 0, desired: 0 },
  {
    name: "a burst without limit is never covered",
    of: spec(181, -1),
    ready: 1,
    stable: 21,
    panic: 26,
    desired: 1,
    excess: -1,
  },
  {
    name: "a burst of nothing always is",
    of: spec(10, 0),
    ready: 1,
    stable: 50,
    panic: 49,
    desired: 5,
    excess: 0,
  },
  { name: "fifty calls, ten each", of: spec(10, 100), ready: 1, stable: 50, panic: 50, desired: 5 },
  {
    name: "the larger window counts in panic: stable",
    of: spec(1, 100),
    from: panicking(5),
    ready: 5,
    stable: 50,
    panic: 30,
    desired: 50,
  },
  {
    name: "the larger window counts in panic: panic",
    of: spec(1, 100),
    from: panicking(5),
    ready: 5,
    stable: 20,
    panic: 30,
    desired: 30,
  },
  { name: "as many as there are", of: spec(10, 100), ready: 5, stable: 50, panic: 50, desired: 5 },
  {
    name: "a small rate still lets it grow by one",
    of: spec(1, 1_982, { maxScaleUpRate: 1.1 }),
    ready: 2,
    stable: 3,
    panic: 3.1,
    desired: 3,
  },
  {
    name: "a small rate lets a tenth of it go",
    of: spec(10, 1_982, { maxScaleDownRate: 1.1 }),
    ready: 100,
    stable: 1,
    panic: 1,
    desired: 90,
  },
  {
    name: "what nothing routes to goes at once",
    of: spec(10, 1_982, { maxScaleDownRate: 1.1 }),
    ready: 100,
    stable: 1,
    panic: 1,
    isReachable: false,
    desired: 1,
  },
  {
    name: "panic takes precedence",
    of: spec(10, 84),
    ready: 1,
    stable: 50,
    panic: 100,
    desired: 10,
  },
  {
    name: "at zero it is counted as one",
    of: spec(10, 81),
    ready: 0,
    stable: 1_000,
    panic: 888,
    desired: 10,
  },
];
for (const { name, of, from, ...step } of single)
  test(`kpa: ${name}`, () => void run(of, withBurst(of, [step]), from));

const traces: readonly {
  readonly name: string;
  readonly of: KpaSpec;
  readonly steps: readonly Step[];
}[] = [
  {
    name: "the stable window rules",
    of: spec(10, 101),
    steps: [
      { ready: 1, stable: 50, panic: 10, desired: 5 },
      { ready: 1, stable: 100, panic: 10, desired: 10 },
    ],
  },
  {
    name: "panic ends after a slow increase",
    of: spec(1, 98),
    steps: [
      { ready: 10, stable: 11, panic: 25, desired: 25, panicAtMs: 0 },
      { ready: 40, stable: 30, panic: 41, atMs: 30_000, desired: 41, panicAtMs: 0 },
      { ready: 55, stable: 50, panic: 56, atMs: 62_000, desired: 50, panicAtMs: null },
    ],
  },
  {
    name: "a surge that goes on prolongs panic",
    of: spec(1, 98),
    steps: [
      { ready: 10, stable: 11, panic: 25, desired: 25, panicAtMs: 0 },
      { ready: 40, stable: 30, panic: 80, atMs: 30_000, desired: 80, panicAtMs: 30_000 },
    ],
  },
  {
    name: "fewer calls, fewer instances",
    of: spec(10, 98),
    steps: [
      { ready: 8, stable: 100, panic: 100, desired: 10 },
      { ready: 8, stable: 50, panic: 50, desired: 5 },
    ],
  },
  {
    name: "down to zero",
    of: spec(10, 75),
    steps: [
      { ready: 1, stable: 1, panic: 0, desired: 1 },
      { ready: 1, stable: 0, panic: 0, desired: 0 },
    ],
  },
  {
    name: "the first call starts as many as the activation scale says, and zero stays zero",
    of: spec(10, 75, { activationScale: 2 }),
    steps: [
      { ready: 1, stable: 0, panic: 0, desired: 0 },
      { ready: 1, stable: 1, panic: 0, desired: 2 },
    ],
  },
  {
    name: "exponential growth is followed until it ends",
    of: spec(1, 101),
    steps: [
      { ready: 1, stable: 6, panic: 6, desired: 6 },
      { ready: 6, stable: 36, panic: 36, desired: 36, panicAtMs: 0 },
      { ready: 36, stable: 216, panic: 216, atMs: 1_000, desired: 216, panicAtMs: 1_000 },
      { ready: 216, stable: 1_296, panic: 1_296, atMs: 1_000, desired: 1_296, panicAtMs: 1_000 },
      { ready: 1_296, stable: 1_296, panic: 1_296, atMs: 2_000, desired: 1_296 },
    ],
  },
  {
    name: "nothing goes in panic, and all of it after the stable window",
    of: spec(10, 93),
    steps: [
      { ready: 1, stable: 100, panic: 100, desired: 10 },
      { ready: 10, stable: 100, panic: 1_000, desired: 100 },
      { ready: 10, stable: 1, panic: 1, atMs: 30_000, desired: 100 },
      { ready: 10, stable: 1, panic: 1, atMs: 61_000, desired: 1 },
    ],
  },
  {
    name: "ten times as many at once, and no more",
    of: spec(10, 61),
    steps: [
      { ready: 1, stable: 1_000, panic: 1_001, desired: 10 },
      { ready: 10, stable: 1_000, panic: 1_001, desired: 100 },
    ],
  },
  {
    name: "a tenth at once, and no less",
    of: spec(10, 61),
    steps: [
      { ready: 100, stable: 1, panic: 1, desired: 10 },
      { ready: 10, stable: 1, panic: 1, desired: 1 },
    ],
  },
];
for (const { name, of, steps } of traces)
  test(`kpa: ${name}`, () => void run(of, withBurst(of, steps)));

const delaying = spec(10, 0, { panicThreshold: 100, scaleDownDelayMs: 300_000 });
const minutes = (count: number): number => count * 60_000;
const at = (atMs: number, calls: number, desired: number, isReachable = true): Step => ({
  ready: 0,
  stable: calls,
  panic: calls,
  atMs,
  desired,
  isReachable,
});
const delays = [
  {
    name: "goes down once five minutes have seen no more",
    steps: [at(2_000, 40, 4), at(minutes(5), 0, 4), at(minutes(5) + 2_000, 0, 0)],
  },
  {
    name: "goes down as the past does",
    steps: [
      at(minutes(9), 40, 4),
      at(minutes(10), 30, 4),
      at(minutes(11), 0, 4),
      at(minutes(14), 0, 3),
      at(minutes(15), 0, 0),
    ],
  },
  {
    name: "does not wait for what nothing routes to",
    steps: [at(2_000, 40, 4), at(minutes(1), 0, 4), at(minutes(1) + 2_000, 0, 0, false)],
  },
] as const;
for (const { name, steps } of delays)
  test(`kpa: a scale-down delay ${name}`, () =>
    void run(delaying, steps, initialKpaState(0, NOW_MS)));

test("kpa: without a delay, two decisions within one tick are two decisions", () => {
  const of = spec(10, 100, { panicThreshold: 100 });
  run(of, [at(0, 40, 4), at(500, 20, 2)], initialKpaState(0, NOW_MS));
});

test("kpa: an autoscaler that begins with several instances begins in panic", () => {
  assert.equal(initialKpaState(0, NOW_MS).panicSinceMs, undefined);
  assert.equal(initialKpaState(1, NOW_MS).panicSinceMs, undefined);
  assert.deepEqual(initialKpaState(2, NOW_MS), {
    panicSinceMs: NOW_MS,
    panicInstancesMax: 2,
    delayed: [],
  });
});
