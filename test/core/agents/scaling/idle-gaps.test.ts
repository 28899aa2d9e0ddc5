import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  likelyReturn,
  noIdleGaps,
  partWithin,
  recordGap,
} from "../../../../agents/core/scaling/idle-gaps.ts";

const gapsOf = (gapsMs: readonly number[]) => gapsMs.reduce(recordGap, noIdleGaps);
const minutes = (count: number): number => count * 60_000;
const many = (count: number, gapMs: number): number[] => Array.from({ length: count }, () => gapMs);
const HOURS_5 = minutes(300);

const forecasts = [
  { name: "seven gaps tell nothing", gaps: many(7, minutes(5)), likely: undefined },
  {
    name: "a timer of five minutes is due from ten seconds before to twenty after",
    gaps: many(8, minutes(5)),
    likely: { fromMs: minutes(5) - 10_000, untilMs: minutes(5) + 20_000 },
  },
  {
    name: "short gaps have a tenth on each side",
    gaps: many(8, 40_000),
    likely: { fromMs: 36_000, untilMs: 55_000 },
  },
  {
    name: "the fifth percentile is the head, the ninety-ninth the tail",
    gaps: [...many(6, minutes(2)), ...many(93, minutes(5)), minutes(9)],
    likely: { fromMs: minutes(2) - 10_000, untilMs: minutes(5) + 20_000 },
  },
  {
    name: "one early gap in a hundred is ignored",
    gaps: [minutes(1), ...many(99, minutes(5))],
    likely: { fromMs: minutes(5) - 10_000, untilMs: minutes(5) + 20_000 },
  },
  {
    name: "gaps beyond four hours have no end",
    gaps: [...many(9, minutes(5)), HOURS_5],
    likely: undefined,
  },
  {
    name: "a new rhythm is found after as many gaps as the old one had",
    gaps: [...many(256, minutes(5)), ...many(2_000, minutes(2))],
    likely: { fromMs: minutes(2) - 10_000, untilMs: minutes(2) + 20_000 },
  },
] as const;
for (const { name, gaps, likely } of forecasts)
  test(`gaps: ${name}`, () => assert.deepEqual(likelyReturn(gapsOf(gaps)), likely));

test("gaps: which part of them was over in time", () => {
  assert.equal(partWithin(gapsOf(many(7, 20_000)), 60_000), undefined);
  assert.equal(partWithin(gapsOf([...many(6, 20_000), ...many(2, minutes(3))]), 60_000), 0.75);
  assert.equal(partWithin(gapsOf(many(8, HOURS_5)), 60_000), 0);
});

test("gaps: however many there were, as many are counted as are in the bins", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(HOURS_5), { maxLength: 600 }), (gapsMs) => {
      const { bins, count, beyond } = gapsOf(gapsMs);
      assert.equal(
        [...bins.values()].reduce((sum, gaps) => sum + gaps, beyond),
        count,
      );
      assert.ok(count <= 256);
      const likely = likelyReturn(gapsOf(gapsMs));
      assert.ok(likely === undefined || likely.fromMs < likely.untilMs);
    }),
  );
});
