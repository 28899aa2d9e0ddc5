import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseAccessLine,
  isSlow,
  type LoggedCall,
  type Logged,
} from "../../../gateway/core/choose-log-lines.ts";
import { createLineLimit } from "../../../gateway/core/line-limit.ts";

const rules = { share: 0.5, slowAfterMs: 1_000 };
const answeredIn = (ms: number, timing: string | undefined): LoggedCall => ({
  traceId: "f".repeat(32),
  outcome: "success",
  isStreamed: false,
  receivedAtMs: 0,
  marks: { admitAtMs: 0, planAtMs: 0, forwardAtMs: 0 },
  attemptNotes: [
    {
      clusterId: "eu-west-1",
      beganAtMs: 0,
      endedAtMs: ms,
      failure: undefined,
      reason: undefined,
      timing,
      coldStartPhases: undefined,
    },
  ],
  answeredAtMs: ms,
  finishedAtMs: ms,
});
const quick = answeredIn(5, undefined);

const lines: readonly (readonly [string, Partial<LoggedCall>, boolean, Logged])[] = [
  ["a call outside of the share", {}, false, "no"],
  ["a call of the share", { traceId: "0".repeat(32) }, false, "share"],
  ["an error of the function", { outcome: "function-error" }, false, "always"],
  ["an error of the platform", { outcome: "platform-error" }, false, "always"],
  ["a slow call", {}, true, "always"],
  ["a slow call of the share", { traceId: "0".repeat(32) }, true, "share"],
  ["a caller's mistake", { outcome: "caller-error" }, false, "no"],
  ["a call beyond a limit", { outcome: "limited" }, false, "no"],
];
for (const [name, call, slow, logged] of lines)
  test(`${name}: ${logged}`, () =>
    assert.equal(chooseAccessLine({ ...quick, ...call }, slow, rules), logged));

const slowness: readonly (readonly [string, LoggedCall, boolean])[] = [
  ["a quick call", quick, false],
  ["a call of a second", answeredIn(1_000, undefined), false],
  ["a call of more than a second that nobody accounts for", answeredIn(1_001, undefined), true],
  ["a function that takes its time", answeredIn(60_000, "queue;dur=0, run;dur=59500"), false],
  ["an instance that was long in coming", answeredIn(3_000, "queue;dur=2000, run;dur=900"), true],
  ["a caller who reads slowly", { ...quick, finishedAtMs: 2_000 }, true],
  ["a stream that goes on", { ...quick, finishedAtMs: 2_000, isStreamed: true }, false],
];
for (const [name, call, expected] of slowness)
  test(`${name} is ${expected ? "" : "not "}slow`, () =>
    assert.equal(isSlow(call, rules), expected));

test("so many lines are written in a second, and the next says how many were left out", () => {
  const limit = createLineLimit(2);
  assert.deepEqual([0, 10, 20, 999].map(limit), [0, 0, undefined, undefined]);
  assert.deepEqual([1_000, 1_001, 1_002].map(limit), [2, 0, undefined]);
  assert.deepEqual([5_000].map(limit), [1]);
});
