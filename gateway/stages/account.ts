import { Readable } from "node:stream";
import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { problemAnswer } from "../answers.ts";
import type { BodyCount } from "../core/body-count.ts";
import { type CallOutcome, judgeOutcome } from "../core/judge-outcome.ts";
import type { TraceContext } from "../core/trace-context.ts";
import type { IdentifiedCall, Receipt } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";

/** One request as it ended, for the logs and the metrics. */
export interface RequestRecord {
  readonly requestId: string;
  readonly trace: TraceContext;
  readonly method: string;
  readonly doorKind: string;
  readonly status: number;
  readonly outcome: CallOutcome;
  /** The platform's word for what went wrong. */
  readonly errorCode: string | undefined;
  readonly receivedAtMs: number;
  /** The head of its answer was there. */
  readonly answeredAtMs: number;
  readonly durationMs: number;
  /** The answer came as it was made. */
  readonly isStreamed: boolean;
  readonly bodyCount: BodyCount;
  readonly receipt: Receipt;
}

export interface Accounting {
  readonly record: (record: RequestRecord) => void;
  readonly unforeseen: (requestId: string, error: unknown) => void;
}

/** Turns what was thrown into an answer, and writes every request down once its answer is sent. */
export function account(
  accounting: Accounting,
  clock: Clock,
): Stage<IdentifiedCall, IdentifiedCall> {
  const refuse = (call: IdentifiedCall, thrown: unknown): Answer => {
    const error = toMeridianError(thrown);
    if (error.code === "MERIDIAN_INTERNAL") accounting.unforeseen(call.requestId, thrown);
    return problemAnswer(error, call.requestId);
  };
  return (next) => async (call) => {
    let answer: Answer;
    try {
      answer = await next(call);
    } catch (thrown) {
      answer = refuse(call, thrown);
    }
    const answeredAtMs = clock.nowMs();
    void call.arrival.finished.then(() =>
      accounting.record(describeEnd(call, answer, answeredAtMs, clock.nowMs())),
    );
    return answer;
  };
}

function describeEnd(
  { requestId, trace, arrival, door, receipt }: IdentifiedCall,
  { status, headers, body }: Answer,
  answeredAtMs: number,
  finishedAtMs: number,
): RequestRecord {
  const code = headers[ANSWER_HEADERS.errorCode];
  const errorCode = typeof code === "string" ? code : undefined;
  return {
    requestId,
    trace,
    method: arrival.method,
    doorKind: door.kind,
    status,
    outcome: judgeOutcome({
      status,
      errorCode,
      isFunctionError: headers[ANSWER_HEADERS.functionError] !== undefined,
      isLimited: receipt.limitedBy !== undefined,
      isCallerGone: arrival.callerGone.aborted,
    }),
    errorCode,
    receivedAtMs: arrival.receivedAtMs,
    answeredAtMs,
    durationMs: finishedAtMs - arrival.receivedAtMs,
    isStreamed: body instanceof Readable,
    bodyCount: arrival.bodyCount,
    receipt,
  };
}
