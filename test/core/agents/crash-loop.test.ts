import assert from "node:assert/strict";
import { test } from "node:test";
import {
  afterInitFailure,
  answerAtOnce,
  type CrashLoop,
  describeCrashLoop,
  noCrashLoop,
} from "../../../agents/core/crash-loop.ts";
import { failureReason } from "../../../agents/core/function-error.ts";

const error = { errorType: "Runtime.ImportModuleError", errorMessage: "Cannot find module" };

/** So many failures, each as soon as it was allowed. */
function failed(times: number): CrashLoop {
  let loop = noCrashLoop;
  for (let count = 0; count < times; count += 1)
    loop = afterInitFailure(loop, error, Math.max(0, loop.startAtMs));
  return loop;
}

test("each failure doubles the wait, from a tenth of a second to half a minute", () => {
  const waits = [1, 2, 3, 4, 5, 9, 10, 40].map(
    (times) => failed(times).startAtMs - Math.max(0, failed(times - 1).startAtMs),
  );
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 25_600, 30_000, 30_000]);
});

test("starts that fail side by side count once", () => {
  const loop = afterInitFailure(noCrashLoop, error, 0);
  assert.equal(afterInitFailure(loop, error, 50).failures, 1);
  assert.equal(afterInitFailure(loop, error, 100).failures, 2);
});

test("from the fifth failure on callers are answered at once, and the version shows that it does not start", () => {
  const few = failed(4);
  assert.equal(answerAtOnce(few, few.startAtMs - 1), undefined);
  assert.equal(describeCrashLoop(few, few.startAtMs), undefined);
  const many = failed(5);
  assert.equal(answerAtOnce(many, many.startAtMs - 1), error);
  assert.equal(answerAtOnce(many, many.startAtMs), undefined);
  assert.deepEqual(describeCrashLoop(many, many.startAtMs - 600.5), {
    failures: 5,
    errorType: "Runtime.ImportModuleError",
    retryInMs: 601,
  });
  assert.equal(describeCrashLoop(many, many.startAtMs + 5_000)?.retryInMs, 0);
});

test("what shows has a bounded name", () => {
  const named = { ...error, errorType: "x".repeat(10_000) };
  const shown = describeCrashLoop({ ...failed(5), lastError: named }, 0);
  assert.equal(shown?.errorType.length, 128);
});

for (const [kind, errorType, reason] of [
  ["Unhandled", "Sandbox.Timedout", "timeout"],
  ["Unhandled", "Runtime.InitTimeout", "timeout"],
  ["Unhandled", "Runtime.OutOfMemory", "out-of-memory"],
  ["Unhandled", "Runtime.ExitError", "exit"],
  ["Unhandled", "Runtime.ImportModuleError", "runtime"],
  ["Unhandled", "TypeError", "handler"],
  ["Handled", "RangeError", "handler"],
  ["Handled", "Runtime.OutOfMemory", "handler"],
] as const)
  test(`${kind} ${errorType} is counted as ${reason}`, () =>
    assert.equal(failureReason(kind, errorType), reason));
