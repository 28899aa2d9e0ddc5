import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, selfTimes } from "../../../bench/gateway/read-profile.ts";

const node = (id: number, functionName: string) => ({
  id,
  callFrame: { functionName, url: "", lineNumber: 0 },
});

/** Samples at 110, 120, … microseconds. */
const profile = (names: readonly string[], sampled: readonly string[]): CpuProfile => ({
  nodes: names.map((name, index) => node(index + 1, name)),
  startTime: 100,
  samples: sampled.map((name) => names.indexOf(name) + 1),
  timeDeltas: sampled.map(() => 10),
});

const byName = (name: string): string => name;

test("the time before each sample is the sampled function's, the longest first", () => {
  const rows = selfTimes(profile(["a", "b"], ["a", "b", "b"]), 0, 1_000, byName);
  assert.deepEqual(
    rows.map(({ place, micros }) => [place, micros]),
    [
      ["b", 20],
      ["a", 10],
    ],
  );
  assert.equal(Math.round(rows[0]?.percent ?? 0), 67);
});

test("only what was sampled between the two moments counts", () => {
  const rows = selfTimes(profile(["a", "b"], ["a", "b", "b", "a"]), 120, 130, byName);
  assert.deepEqual(rows, [{ place: "b", micros: 20, percent: 100 }]);
});

test("idle time is nobody's, whatever places are called", () => {
  const idling = profile(["a", "(idle)"], ["a", "(idle)", "(idle)"]);
  for (const placeOf of [byName, () => "a"])
    assert.deepEqual(selfTimes(idling, 0, 1_000, placeOf), [
      { place: "a", micros: 10, percent: 100 },
    ]);
});

test("functions of one place are added up", () => {
  const rows = selfTimes(profile(["a", "b"], ["a", "b"]), 0, 1_000, () => "one file");
  assert.deepEqual(rows, [{ place: "one file", micros: 20, percent: 100 }]);
});
