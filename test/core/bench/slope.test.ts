import assert from "node:assert/strict";
import { test } from "node:test";
import { risePerMinute } from "../../../bench/soak/slope.ts";

const WINDOW_MS = 30_000;
const samplesOf = (valueAt: (minute: number) => number) =>
  Array.from({ length: 300 }, (_, index) => {
    const atMs = index * 2_000;
    return { atMs, value: valueAt(atMs / 60_000) };
  });

const CASES: readonly [string, (minute: number) => number, number][] = [
  ["what stays", () => 50, 0],
  ["a saw tooth of a collector", (minute) => 50 + (minute % 0.2) * 100, 0],
  ["what leaks", (minute) => 50 + 3 * minute, 3],
  ["what leaks under a saw tooth", (minute) => 50 + 3 * minute + (minute % 0.2) * 100, 3],
  ["what shrinks", (minute) => 90 - 2 * minute, -2],
];
for (const [name, valueAt, expected] of CASES)
  test(`${name} rises by ${expected} a minute`, () => {
    assert.ok(Math.abs(risePerMinute(samplesOf(valueAt), WINDOW_MS) - expected) < 0.3);
  });

test("a single window, or none, says nothing", () => {
  assert.equal(risePerMinute([{ atMs: 0, value: 7 }], WINDOW_MS), 0);
  assert.equal(risePerMinute([], WINDOW_MS), 0);
});
