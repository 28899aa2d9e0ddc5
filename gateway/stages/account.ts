import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { problemAnswer } from "../answers.ts";
import type { IdentifiedCall, Receipt } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";

/** One request as it ended, for the access log and the metrics. */
export interface RequestRecord {
  readonly requestId: string;
  readonly method: string;
  readonly doorKind: string;
  readonly status: number;
  readonly durationMs: number;
  /** Whether the caller went away before it had the whole answer. */
  readonly isCallerGone: boolean;
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
  return (next) => async (call) => {
    const answer = await next(call).catch((thrown: unknown): Answer => {
      const error = toMeridianError(thrown);
      if (error.code === "MERIDIAN_INTERNAL") accounting.unforeseen(call.requestId, thrown);
      return problemAnswer(error, call.requestId);
    });
    void call.arrival.finished.then(() =>
      accounting.record({
        requestId: call.requestId,
        method: call.arrival.method,
        doorKind: call.door.kind,
        status: answer.status,
        durationMs: clock.nowMs() - call.arrival.receivedAtMs,
        isCallerGone: call.arrival.callerGone.aborted,
        receipt: call.receipt,
      }),
    );
    return answer;
  };
}
