import type { Receipt } from "../../../gateway/call.ts";
import type { RequestRecord } from "../../../gateway/stages/account.ts";

/** A call of demo/echo that was answered in three milliseconds, but for the changes. */
export const requestRecord = (
  changes: Partial<RequestRecord>,
  receipt: Partial<Receipt>,
): RequestRecord => ({
  requestId: "r-1",
  trace: {
    traceId: "a".repeat(32),
    spanId: "b".repeat(16),
    parentId: undefined,
    isSampled: true,
    traceState: "",
  },
  method: "POST",
  doorKind: "invoke",
  status: 200,
  outcome: "success",
  errorCode: undefined,
  receivedAtMs: 0,
  answeredAtMs: 3,
  durationMs: 3,
  isStreamed: false,
  bodyCount: { requestBytes: 2, answerBytes: 100 },
  ...changes,
  receipt: {
    tenant: "demo",
    functionName: "echo",
    version: 1,
    zone: "eu-west",
    clusterId: "eu-west-1",
    attempts: 1,
    isColdStart: false,
    limitedBy: undefined,
    fallback: undefined,
    attemptNotes: [],
    marks: { admitAtMs: undefined, planAtMs: undefined, forwardAtMs: undefined },
    tableRevision: 1,
    isCallerKnown: true,
    ...receipt,
  },
});
