import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { MatchedCall } from "../../../gateway/call.ts";
import { createArmCounters } from "../../../gateway/core/count-arms.ts";
import type { Answer } from "../../../gateway/ports.ts";
import { countArm } from "../../../gateway/stages/count-arm.ts";

const answer = (status: number, headers: Answer["headers"] = {}): Answer => ({
  status,
  headers,
  body: "",
});
const problem = (status: number, code: string): Answer =>
  answer(status, { [ANSWER_HEADERS.errorCode]: code });

interface Case {
  readonly name: string;
  readonly ends: Answer | MeridianError;
  readonly isColdStart?: boolean;
  readonly fallback?: "answer";
  /** Calls, errors and latencies that were counted. */
  readonly counts: readonly [number, number, number];
}

const cases: readonly Case[] = [
  { name: "an answer", ends: answer(200), counts: [1, 0, 1] },
  { name: "an answer of 4xx", ends: answer(404), counts: [1, 0, 1] },
  { name: "an answer of 5xx of the function's own", ends: answer(500), counts: [1, 1, 0] },
  { name: "an answer after a cold start", ends: answer(200), isColdStart: true, counts: [1, 0, 0] },
  {
    name: "a function's error",
    ends: answer(200, { [ANSWER_HEADERS.functionError]: "Unhandled" }),
    counts: [1, 1, 0],
  },
  { name: "the same at /fn", ends: problem(502, "MERIDIAN_FUNCTION_FAILED"), counts: [1, 1, 0] },
  { name: "a lost instance", ends: problem(502, "MERIDIAN_INSTANCE_LOST"), counts: [1, 1, 0] },
  {
    name: "code that is not there",
    ends: problem(503, "MERIDIAN_CODE_UNAVAILABLE"),
    counts: [1, 1, 0],
  },
  {
    name: "a time-out",
    ends: new MeridianError("MERIDIAN_ANSWER_TIMEOUT", "too late"),
    counts: [1, 1, 0],
  },
  { name: "an answer of its fallback", ends: answer(200), fallback: "answer", counts: [1, 1, 0] },
  { name: "a refusal", ends: problem(429, "MERIDIAN_RATE_LIMITED"), counts: [0, 0, 0] },
  { name: "an overload", ends: problem(503, "MERIDIAN_OVERLOADED"), counts: [0, 0, 0] },
  {
    name: "a lost cluster",
    ends: new MeridianError("MERIDIAN_CONNECTION_LOST", "lost"),
    counts: [0, 0, 0],
  },
  { name: "a caller who went away", ends: answer(499), counts: [0, 0, 0] },
];

for (const { name, ends, isColdStart = false, fallback, counts } of cases)
  test(`${name} counts as ${counts[0]} call, ${counts[1]} error, ${counts[2]} latency`, async () => {
    const arms = createArmCounters();
    const clock = { nowMs: () => 5, wallMs: () => 5, sleep: () => Promise.resolve() };
    const handler = countArm(
      arms,
      clock,
    )(async () => {
      if (ends instanceof MeridianError) throw ends;
      return ends;
    });
    const mark = { rolloutId: "ro-12345678", step: "0.0", arm: "canary" as const };
    const call = { mark, receipt: { isColdStart, fallback } } as unknown as MatchedCall;
    await handler(call).catch((error: unknown) => assert.equal(error, ends));
    const [counted] = arms.arms(5);
    const latencies = counted?.latencyCounts.reduce((sum, count) => sum + count, 0);
    assert.deepEqual([counted?.calls ?? 0, counted?.errors ?? 0, latencies ?? 0], counts);
  });

test("a call that no rollout marks is not counted, and an arm without calls for long is forgotten", () => {
  const arms = createArmCounters();
  const mark = { rolloutId: "ro-12345678", step: "0.0", arm: "control" as const };
  arms.count(mark, { isError: false, latencyMs: 3 }, 0);
  assert.equal(arms.arms(600_000).length, 1);
  assert.equal(arms.arms(600_001).length, 0);
});
