import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CallOutcome,
  type EndedCall,
  judgeOutcome,
} from "../../../gateway/core/judge-outcome.ts";
import { callCells, countCall } from "../../../gateway/core/call-cell.ts";
import { CALL_OUTCOMES } from "../../../gateway/core/judge-outcome.ts";

const well: EndedCall = {
  status: 200,
  errorCode: undefined,
  isFunctionError: false,
  isLimited: false,
  isCallerGone: false,
};
const cases: readonly (readonly [string, Partial<EndedCall>, CallOutcome])[] = [
  ["an answer", {}, "success"],
  ["a 404 of the function's own", { status: 404 }, "success"],
  ["a 429 of the function's own", { status: 429 }, "success"],
  ["a 503 of the function's own", { status: 503 }, "function-error"],
  ["an error of the function", { isFunctionError: true }, "function-error"],
  [
    "an error of the function at its HTTP door",
    { status: 502, errorCode: "MERIDIAN_FUNCTION_FAILED" },
    "function-error",
  ],
  ["no key", { status: 401, errorCode: "MERIDIAN_UNAUTHENTICATED" }, "caller-error"],
  [
    "the tenant's rate",
    { status: 429, errorCode: "MERIDIAN_RATE_LIMITED", isLimited: true },
    "limited",
  ],
  ["no room in the plan", { status: 503, errorCode: "MERIDIAN_SHED", isLimited: true }, "limited"],
  ["a limit told by the agent", { status: 429, errorCode: "MERIDIAN_OVERLOADED" }, "limited"],
  ["no cluster", { status: 503, errorCode: "MERIDIAN_NO_CLUSTER" }, "platform-error"],
  ["no answer in time", { status: 504, errorCode: "MERIDIAN_ANSWER_TIMEOUT" }, "platform-error"],
  ["a caller who left", { status: 499, isCallerGone: true }, "caller-gone"],
  ["a caller who left during the answer", { isCallerGone: true }, "caller-gone"],
];
for (const [name, call, outcome] of cases)
  test(`${name}: ${outcome}`, () => assert.equal(judgeOutcome({ ...well, ...call }), outcome));

const { create, fold } = callCells([5, 10, 25]);

test("a call is in one class of duration, whose upper end is its own", () => {
  const cell = create();
  for (const durationMs of [0, 5, 5.5, 25, 25.5]) countCall(cell, "success", durationMs);
  assert.deepEqual(cell.durations, [2, 1, 1, 1]);
  assert.equal(cell.outcomes[CALL_OUTCOMES.indexOf("success")], 5);
  assert.equal(cell.totalMs, 61);
});

test("a cell that is folded into another is added to it, all of it", () => {
  const into = create();
  const from = create();
  countCall(into, "success", 1);
  countCall(from, "limited", 20);
  fold(into, from);
  assert.deepEqual(into.outcomes, [1, 0, 0, 1, 0, 0]);
  assert.deepEqual(into.durations, [1, 0, 1, 0]);
  assert.equal(into.totalMs, 21);
});
