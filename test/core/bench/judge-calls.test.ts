import assert from "node:assert/strict";
import { test } from "node:test";
import { isDisturbed, judgeCalls, ofRounds } from "../../../bench/fault/judge-calls.ts";
import { callNumberText, type DrivenCall } from "../../../bench/drive/plan.ts";

const FAULT_AT_MS = 1_000;

const call = (
  number: number,
  dueMs: number,
  tookMs: number,
  failure: string | null = null,
): DrivenCall => ({ number, dueMs, sentMs: dueMs, endedMs: dueMs + tookMs, failure });

const startsOf = (...numbers: readonly number[]): string[] => numbers.map(callNumberText);

test("a call that failed and one that took longer than 300 ms are bad, one of 300 ms is not", () => {
  const calls = [call(1, 1_100, 300), call(2, 1_200, 301), call(3, 1_300, 5, "timeout")];
  const { failed, failedOrSlow, slowestMs, failures } = judgeCalls(calls, [], FAULT_AT_MS);
  assert.equal(failed, 1);
  assert.equal(failedOrSlow, 2);
  assert.equal(slowestMs, 301);
  assert.deepEqual(failures, { timeout: 1 });
});

test("latency counts from when a call was due, not from when it could be sent", () => {
  const late = { ...call(1, 1_100, 400), sentMs: 1_490 };
  const figures = judgeCalls([late], [], FAULT_AT_MS);
  assert.equal(figures.failedOrSlow, 1);
  assert.equal(figures.slipMs, 390);
});

test("the last bad call is told by when it was due after the fault", () => {
  const calls = [call(1, 1_250, 900), call(2, 1_040, 5, "503"), call(3, 5_000, 10)];
  assert.equal(judgeCalls(calls, [], FAULT_AT_MS).lastAfterSeconds, 0.25);
  assert.equal(judgeCalls([call(1, 5_000, 10)], [], FAULT_AT_MS).lastAfterSeconds, 0);
});

test("what was over before the fault is no matter of it, what was under way is", () => {
  const calls = [call(1, 100, 500), call(2, 990, 400), call(3, 995, 20)];
  const figures = judgeCalls(calls, [], FAULT_AT_MS);
  assert.equal(figures.badBefore, 1);
  assert.equal(figures.failedOrSlow, 1);
  assert.equal(figures.lastAfterSeconds, 0);
  assert.equal(figures.inFlight, 2);
});

test("a run is disturbed when more than two of a thousand calls were bad before the fault", () => {
  const good = Array.from({ length: 998 }, (_, index) => call(index + 3, 1_500, 1));
  const slow = [call(1, 100, 400), call(2, 100, 400)];
  assert.equal(isDisturbed(judgeCalls([...slow, ...good], [], FAULT_AT_MS)), false);
  const more = [...slow, call(3, 100, 400), ...good.slice(1)];
  assert.equal(isDisturbed(judgeCalls(more, [], FAULT_AT_MS)), true);
});

test("a call is executed twice once, however often it was, and calls of the warm-up do not count", () => {
  const calls = [call(1, 1_000, 1), call(2, 1_001, 1), call(3, 1_002, 1)];
  const starts = [...startsOf(1, 2, 2, 2, 3), "warm", "warm"];
  assert.equal(judgeCalls(calls, starts, FAULT_AT_MS).executedTwice, 1);
});

test("of several rounds, what must never happen is that of the worst, and times are medians", () => {
  const rounds = [
    judgeCalls([call(1, 1_500, 400)], startsOf(1), FAULT_AT_MS),
    judgeCalls([call(1, 1_200, 5, "503"), call(2, 1_201, 1)], startsOf(2, 2), FAULT_AT_MS),
    judgeCalls([call(1, 1_100, 350)], startsOf(1), FAULT_AT_MS),
  ];
  const all = ofRounds(rounds);
  assert.equal(all.calls, 4);
  assert.equal(all.failed, 1);
  assert.equal(all.executedTwice, 1);
  assert.equal(all.lastAfterSeconds, 0.2);
  assert.equal(all.slowestMs, 350);
  assert.deepEqual(all.failures, { "503": 1 });
});
