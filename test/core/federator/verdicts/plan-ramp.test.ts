import assert from "node:assert/strict";
import { test } from "node:test";
import { planRamps, RAMP_START_PERCENT } from "../../../../federator/core/verdicts/plan-ramp.ts";

const RAMP_MS = 9_000;
const STEP_MS = RAMP_MS / 6;
const inService = new Set(["a", "b"]);

test("nothing is written before a step is due", () => {
  const since = new Map([["a", 0]]);
  assert.equal(planRamps({ a: 10 }, inService, since, STEP_MS - 1, RAMP_MS), undefined);
  assert.deepEqual(planRamps({ a: 10 }, inService, since, STEP_MS, RAMP_MS), { a: 25 });
});

test("a share that was never seen before is not due, whoever leads now", () => {
  assert.equal(planRamps({ a: 70 }, inService, new Map(), 1e9, RAMP_MS), undefined);
});

test("each cluster steps by itself", () => {
  const since = new Map([
    ["a", 0],
    ["b", STEP_MS / 2],
  ]);
  const next = planRamps({ a: 10, b: 40 }, inService, since, STEP_MS, RAMP_MS);
  assert.deepEqual(next, { a: 25, b: 40 });
});

test("a ramp that is done, or whose cluster is out, is dropped", () => {
  assert.deepEqual(planRamps({ a: 85 }, inService, new Map([["a", 0]]), STEP_MS, RAMP_MS), {});
  assert.deepEqual(planRamps({ gone: 40 }, inService, new Map(), 0, RAMP_MS), {});
});

test("from its start to 100 % it takes the ramp's time, in steps of 10 to 15 %", () => {
  let ramps: Readonly<Record<string, number>> = { a: RAMP_START_PERCENT };
  let nowMs = 0;
  const shares: number[] = [];
  while (ramps["a"] !== undefined) {
    const sinceMs = nowMs;
    nowMs += STEP_MS;
    ramps = planRamps(ramps, inService, new Map([["a", sinceMs]]), nowMs, RAMP_MS) ?? ramps;
    shares.push(ramps["a"] ?? 100);
  }
  assert.deepEqual(shares, [25, 40, 55, 70, 85, 100]);
  assert.equal(nowMs, RAMP_MS);
});
