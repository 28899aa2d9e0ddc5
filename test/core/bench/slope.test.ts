import assert from "node:assert/strict";
import { test } from "node:test";
import { riseOf } from "../../../bench/soak/slope.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";

const WINDOW_MS = 30_000;
const SAMPLE_MS = 2_000;
const MINUTES = 5;
const ALLOWED = 0.5;

const soak = (valueAt: (minute: number) => number, minutes = MINUTES) =>
  riseOf(
    Array.from({ length: (minutes * 60_000) / SAMPLE_MS }, (_, index) => ({
      atMs: index * SAMPLE_MS,
      value: valueAt((index * SAMPLE_MS) / 60_000),
    })),
    WINDOW_MS,
  );

const CASES: readonly [string, (minute: number) => number, number][] = [
  ["what stays", () => 50, 0],
  ["a saw tooth of a collector", (minute) => 50 + (minute % 0.2) * 100, 0],
  ["what leaks", (minute) => 50 + 3 * minute, 3],
  ["what leaks under a saw tooth", (minute) => 50 + 3 * minute + (minute % 0.2) * 100, 3],
  ["what shrinks", (minute) => 90 - 2 * minute, -2],
];
for (const [name, valueAt, expected] of CASES)
  test(`${name} rises by ${expected} a minute`, () => {
    assert.ok(Math.abs(soak(valueAt, 10).perMinute - expected) < 0.3);
  });

test("a single window, or none, says nothing", () => {
  const nothing = { perMinute: 0, perMinuteAtLeast: 0 };
  assert.deepEqual(riseOf([{ atMs: 0, value: 7 }], WINDOW_MS), nothing);
  assert.deepEqual(riseOf([], WINDOW_MS), nothing);
});

test("timers that go up and down between 4 and 20 are no leak, whenever one looks", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const random = seededRandom(`swings ${seed}`);
    const { perMinuteAtLeast } = soak(() => 4 + Math.floor(random.next() ** 2 * 17));
    assert.ok(perMinuteAtLeast <= ALLOWED, `${perMinuteAtLeast} of seed ${seed}`);
  }
});

test("two timers a minute that stay are a leak, under the same swings", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const random = seededRandom(`leak ${seed}`);
    const { perMinuteAtLeast } = soak(
      (minute) => 4 + Math.floor(random.next() ** 2 * 17) + Math.floor(minute * 2),
    );
    assert.ok(perMinuteAtLeast > ALLOWED, `${perMinuteAtLeast} of seed ${seed}`);
  }
});

test("what rises without a swing is certain", () => {
  const { perMinute, perMinuteAtLeast } = soak((minute) => 100 + minute * 3);
  assert.ok(Math.abs(perMinuteAtLeast - perMinute) < 1e-6);
});
