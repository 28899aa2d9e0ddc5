import assert from "node:assert/strict";
import { test } from "node:test";
import { createHedgeBudget, createHedgeDelays } from "../../../gateway/core/hedge-delay.ts";

const NAME = "demo/hello@1";
const delayAfter = (...latenciesMs: readonly number[]): number | undefined => {
  const delays = createHedgeDelays();
  for (const latencyMs of latenciesMs) delays.count(NAME, latencyMs);
  return delays.delayMs(NAME);
};
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

const delays: readonly (readonly [
  name: string,
  latenciesMs: readonly number[],
  delayMs: number | undefined,
])[] = [
  ["nothing is known", [], undefined],
  ["nineteen calls say too little", upTo(19).fill(100), undefined],
  ["twenty are enough", upTo(20).fill(100), 100],
  ["the 95th percentile of a hundred", upTo(100), 95],
  ["never sooner than 10 ms", upTo(40).fill(1), 10],
  ["one slow call in forty changes nothing", [...upTo(39).fill(20), 5_000], 20],
  ["the newest 128 count", [...upTo(200).fill(5_000), ...upTo(128).fill(30)], 30],
];

for (const [name, latenciesMs, delayMs] of delays)
  test(`when to hedge: ${name}`, () => {
    assert.equal(delayAfter(...latenciesMs), delayMs);
  });

test("functions do not share their latencies, and the one called the longest ago gives way", () => {
  const kept = createHedgeDelays();
  for (const latencyMs of upTo(20).fill(50)) kept.count("demo/first@1", latencyMs);
  assert.equal(kept.delayMs("demo/first@1"), 50);
  assert.equal(kept.delayMs("demo/second@1"), undefined);
  for (let index = 0; index < 1_000; index += 1) kept.count(`demo/f${index}@1`, 1);
  assert.equal(kept.delayMs("demo/first@1"), undefined);
});

test("hedges are one in twenty of the requests that may be hedged, whatever they ask for", () => {
  const budget = createHedgeBudget();
  let hedges = 0;
  for (let request = 0; request < 1_000; request += 1) {
    budget.countRequest(request);
    hedges += Number(budget.trySpend(request));
    assert.ok(hedges * 20 <= request + 1);
  }
  assert.equal(hedges, 50);
  assert.equal(budget.trySpend(60_000), false, "old requests earn nothing");
});
