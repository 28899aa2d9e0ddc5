import assert from "node:assert/strict";
import { test } from "node:test";
import { describeSpans, type TracedCall } from "../../../gateway/core/describe-spans.ts";

const attempt = {
  beganAtMs: 1_010,
  endedAtMs: 1_020,
  failure: undefined,
  reason: undefined,
  timing: undefined,
  coldStartPhases: undefined,
};
const call: TracedCall = {
  trace: {
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    parentId: "1111111111111111",
    isSampled: true,
    traceState: "a=1",
  },
  name: "invoke demo/hello",
  outcome: "success",
  errorCode: undefined,
  attributes: { text: "x", whole: 200, isTrue: true, absent: undefined },
  receivedAtMs: 1_000,
  marks: { admitAtMs: undefined, planAtMs: undefined, forwardAtMs: undefined },
  attemptNotes: [
    { ...attempt, clusterId: "eu-west-1", failure: "refused", reason: "it was full" },
    { ...attempt, clusterId: "us-east-1", beganAtMs: 1_021, endedAtMs: undefined },
  ],
  answeredAtMs: 1_040,
  finishedAtMs: 1_041.5,
};
const EPOCH_MS = 1_800_000_000_000;
const freshIds = (): (() => string) => {
  let count = 0;
  return () => String((count += 1)).padStart(16, "0");
};

test("a call is a span of the caller's trace, and each attempt one below it", () => {
  const [whole, ...attempts] = describeSpans(call, EPOCH_MS, freshIds());
  assert.deepEqual(whole, {
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    parentSpanId: "1111111111111111",
    traceState: "a=1",
    name: "invoke demo/hello",
    kind: 2,
    startTimeUnixNano: "1800000001000000000",
    endTimeUnixNano: "1800000001041500000",
    attributes: [
      { key: "text", value: { stringValue: "x" } },
      { key: "whole", value: { intValue: "200" } },
      { key: "isTrue", value: { boolValue: true } },
      { key: "meridian.outcome", value: { stringValue: "success" } },
    ],
  });
  assert.deepEqual(
    attempts.map(({ name, parentSpanId, spanId, kind, status, endTimeUnixNano }) => [
      name,
      parentSpanId,
      spanId,
      kind,
      status,
      endTimeUnixNano,
    ]),
    [
      [
        "attempt at eu-west-1",
        "00f067aa0ba902b7",
        "0000000000000001",
        3,
        { code: 2, message: "it was full" },
        "1800000001020000000",
      ],
      [
        "attempt at us-east-1",
        "00f067aa0ba902b7",
        "0000000000000002",
        3,
        undefined,
        "1800000001041500000",
      ],
    ],
  );
});

test("a trace that begins here has no parent, and an error says which", () => {
  const trace = { ...call.trace, parentId: undefined, traceState: "" };
  const failed = { outcome: "platform-error", errorCode: "MERIDIAN_NO_CLUSTER" } as const;
  const [whole] = describeSpans({ ...call, ...failed, trace }, EPOCH_MS, freshIds());
  assert.ok(whole !== undefined && !("parentSpanId" in whole) && !("traceState" in whole));
  assert.deepEqual(whole.status, { code: 2, message: "MERIDIAN_NO_CLUSTER" });
});
