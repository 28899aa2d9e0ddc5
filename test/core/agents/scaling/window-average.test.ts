import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  largestOf,
  recordLargest,
  type DelayWindow,
} from "../../../../agents/core/scaling/delay-window.ts";
import {
  isEmpty,
  recordValue,
  recordWindow,
  windowAverage,
} from "../../../../agents/core/scaling/window-average.ts";

/* The numbers are those of knative.dev/serving at 98e5ef90, pkg/autoscaler/aggregation/bucketing_test.go. */

/** Not on the edge of a bucket, as no real time is. */
const START_MS = 1_000_000_400;

type Step =
  | { readonly record: number; readonly atMs: number }
  | { readonly average: number; readonly atMs: number };

const record = (record: number, atMs: number): Step => ({ record, atMs });
const average = (average: number, atMs: number): Step => ({ average, atMs });
const seconds = (from: number, values: readonly number[]): Step[] =>
  values.map((value, index) => record(value, (from + index) * 1_000));

const MINUTE = 64_000;
const traces: readonly {
  readonly name: string;
  readonly bucketMs?: number;
  readonly windowMs?: number;
  readonly steps: readonly Step[];
}[] = [
  {
    name: "the average is over what was written, and a window begins anew after a silence",
    steps: [
      record(1, 0),
      average(1, 0),
      ...seconds(1, [2, 3, 4, 5]),
      average(3, 4_000),
      average(3, 3_600),
      average(4, 6_000),
      average(0, 10_000),
      record(91, 6_000),
      average((15 - 1 - 2 + 91) / 5, 6_000),
      record(1_984, MINUTE),
      average(1_984, MINUTE),
      record(4, MINUTE - 3_000),
      average((4 + 1_984) / 4, MINUTE),
      record(5, MINUTE + 1_000),
      average((4 + 1_984 + 5) / 5, MINUTE + 1_000),
      record(10, MINUTE - 2_000),
      average((4 + 10 + 1_984 + 5) / 5, MINUTE + 1_000),
      record(10, MINUTE - 5_000),
      record(10, MINUTE - 4_000),
      average((4 + 10 + 1_984 + 5) / 5, MINUTE + 1_000),
      record(10, MINUTE + 6_000),
      average(10, MINUTE + 6_000),
    ],
  },
  {
    name: "what comes in the reverse order counts too, as far back as the window goes",
    steps: [
      ...Array.from({ length: 9 }, (_, index) => record(5, 8_000 - index * 1_000)),
      average(5, 5_000),
    ],
  },
  {
    name: "seconds that nobody wrote are zero once somebody writes again",
    steps: [
      ...seconds(0, [1, 2, 3, 4, 5]),
      average(3, 4_000),
      record(2, 8_000),
      average(7 / 5, 8_000),
    ],
  },
  {
    name: "wider buckets add up what falls into them",
    bucketMs: 5_000,
    windowMs: 120_000,
    steps: [
      record(1, 0),
      record(11, 3_000),
      average(12, 3_000),
      record(1, 6_000),
      average(6.5, 6_000),
    ],
  },
  {
    name: "two buckets of three seconds hold a window of five",
    bucketMs: 3_000,
    steps: [...seconds(0, [10, 2, 3, 4, 5, 6, 7]), average((4 + 5 + 6 + 7) / 2, 6_000)],
  },
  {
    name: "an average is rounded to the millionth",
    steps: [...seconds(0, [1, 0, 0]), average(0.333333, 2_000)],
  },
  {
    name: "and to the nearest, not down",
    steps: [...seconds(0, [2, 0, 0]), average(0.666667, 2_000)],
  },
  {
    name: "the last moment of the window still counts, the next does not",
    steps: [record(5, 0), average(5, 4_599), average(0, 4_600)],
  },
];
for (const { name, bucketMs = 1_000, windowMs = 5_000, steps } of traces)
  test(`averages: ${name}`, () => {
    // Wider buckets begin on an edge of their own.
    const startMs = bucketMs === 1_000 ? START_MS : START_MS - (START_MS % 15_000);
    let window = recordWindow(windowMs, bucketMs);
    for (const [index, step] of steps.entries()) {
      const atMs = startMs + step.atMs;
      if ("record" in step) window = recordValue(window, step.record, atMs);
      else assert.equal(windowAverage(window, atMs), step.average, `step ${index + 1}`);
    }
  });

test("averages: nothing was recorded, or not for longer than the window", () => {
  const empty = recordWindow(5_000);
  assert.ok(isEmpty(empty, START_MS));
  assert.equal(windowAverage(empty, START_MS), 0);
  const written = recordValue(empty, 1, START_MS);
  assert.ok(!isEmpty(written, START_MS + 5_000));
  assert.ok(isEmpty(written, START_MS + 6_000));
});

test("averages: a steady value is its own average, whatever the window and wherever it begins", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 90 }),
      fc.nat(1_000),
      fc.nat(100_000),
      (windowSeconds, records, value, startMs) => {
        let window = recordWindow(windowSeconds * 1_000);
        for (let second = 0; second < records; second += 1)
          window = recordValue(window, value, startMs + second * 1_000);
        assert.equal(windowAverage(window, startMs + (records - 1) * 1_000), value);
      },
    ),
  );
});

test("the largest of the last slots is what a plain look at them gives", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.tuple(fc.nat(3), fc.nat(20)), { minLength: 1, maxLength: 60 }),
      (slots, steps) => {
        let window: DelayWindow = [];
        let slot = 0;
        const all: { readonly slot: number; readonly value: number }[] = [];
        for (const [later, value] of steps) {
          slot += later;
          window = recordLargest(window, value, slot, slots);
          all.push({ slot, value });
          const recent = all.filter((entry) => slot - entry.slot < slots);
          assert.equal(largestOf(window), Math.max(...recent.map((entry) => entry.value)));
          assert.ok(window.length <= slots);
        }
      },
    ),
  );
});
