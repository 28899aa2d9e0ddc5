import type { JsonLog } from "#lib/io/json-log.ts";
import {
  chooseAccessLine,
  isSlow,
  type LoggedCall,
  type LogRules,
} from "../core/choose-log-lines.ts";
import { createLineLimit } from "../core/line-limit.ts";
import {
  slowestStage,
  stageTimes,
  type StageTimes,
  type AttemptNote,
} from "../core/stage-times.ts";
import type { RequestRecord } from "../stages/account.ts";

export interface AccessLog {
  readonly write: (record: RequestRecord) => void;
  readonly close: () => void;
}

const FLUSH_INTERVAL_MS = 500;
/** Of lines beyond the share: an outage makes every call one of those that are always written. */
const ALWAYS_PER_SECOND = 200;
const SLOW_PER_SECOND = 10;

/** A line a request, and one more for a slow one, beside the events. */
export function accessLog({ log, writeLine, flush, close }: JsonLog, rules: LogRules): AccessLog {
  const flushing = setInterval(flush, FLUSH_INTERVAL_MS);
  flushing.unref();
  const alwaysLimit = createLineLimit(ALWAYS_PER_SECOND);
  const slowLimit = createLineLimit(SLOW_PER_SECOND);

  const writeSlow = (record: RequestRecord, call: LoggedCall): void => {
    const leftOut = slowLimit(call.finishedAtMs);
    if (leftOut !== undefined) log.warn(describeSlow(record, call, leftOut), "slow request");
  };
  return {
    write: (record) => {
      const call = loggedCall(record);
      const slow = isSlow(call, rules);
      const logged = chooseAccessLine(call, slow, rules);
      if (logged !== "no") {
        const leftOut = logged === "share" ? 0 : alwaysLimit(call.finishedAtMs);
        if (leftOut !== undefined) writeLine(requestMembers(record, leftOut), "request");
      }
      if (slow) writeSlow(record, call);
    },
    close: () => {
      clearInterval(flushing);
      close();
    },
  };
}

const loggedCall = (record: RequestRecord): LoggedCall => ({
  traceId: record.trace.traceId,
  outcome: record.outcome,
  isStreamed: record.isStreamed,
  receivedAtMs: record.receivedAtMs,
  answeredAtMs: record.answeredAtMs,
  finishedAtMs: record.receivedAtMs + record.durationMs,
  marks: record.receipt.marks,
  attemptNotes: record.receipt.attemptNotes,
});

/** Put together by hand: every request pays for it. What a caller may choose freely is escaped. */
function requestMembers(record: RequestRecord, leftOut: number): string {
  const { receipt, trace, outcome } = record;
  const { requestBytes, answerBytes } = record.bodyCount;
  return (
    `,"requestId":${JSON.stringify(record.requestId)},"traceId":"${trace.traceId}"` +
    textMember("tenant", receipt.tenant) +
    textMember("function", receipt.functionName) +
    `,"spanId":"${trace.spanId}"` +
    textMember("parentId", trace.parentId) +
    `,"method":${JSON.stringify(record.method)},"door":"${record.doorKind}"` +
    (receipt.version === undefined ? "" : `,"version":${receipt.version}`) +
    textMember("servedBy", receipt.zone) +
    textMember("cluster", receipt.clusterId) +
    `,"attempts":${receipt.attempts},"coldStart":${receipt.isColdStart}` +
    `,"status":${record.status},"outcome":"${outcome}"` +
    textMember("errorCode", record.errorCode) +
    textMember("limitedBy", receipt.limitedBy) +
    `,"requestBytes":${requestBytes},"answerBytes":${answerBytes}` +
    `,"ms":${rounded(record.durationMs)}` +
    (outcome === "caller-gone" ? ',"callerGone":true' : "") +
    (leftOut === 0 ? "" : `,"leftOut":${leftOut}`)
  );
}

const textMember = (name: string, value: string | undefined): string =>
  value === undefined ? "" : `,"${name}":${JSON.stringify(value)}`;

function describeSlow(record: RequestRecord, call: LoggedCall, leftOut: number) {
  const times = stageTimes(call);
  return {
    ...nameRequest(record),
    ms: rounded(record.durationMs),
    slowStage: slowestStage(times),
    stages: withoutZeros(times),
    attemptNotes: call.attemptNotes.map(describeAttempt),
    ...describeLeftOut(leftOut),
  };
}

const nameRequest = ({ requestId, trace, receipt }: RequestRecord) => ({
  requestId,
  traceId: trace.traceId,
  tenant: receipt.tenant,
  function: receipt.functionName,
});

const describeAttempt = ({ clusterId, beganAtMs, endedAtMs, failure, reason }: AttemptNote) => ({
  cluster: clusterId,
  ms: endedAtMs === undefined ? undefined : rounded(endedAtMs - beganAtMs),
  failure,
  reason,
});

const withoutZeros = (times: StageTimes): Record<string, number> =>
  Object.fromEntries(
    Object.entries(times)
      .map(([stage, ms]): [string, number] => [stage, rounded(ms)])
      .filter(([, ms]) => ms > 0),
  );

/** Lines like this one that were not written since the last. */
const describeLeftOut = (leftOut: number) => (leftOut === 0 ? {} : { leftOut });

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;
