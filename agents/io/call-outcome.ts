import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import type { MeridianError } from "#lib/errors.ts";
import type { SaidHead } from "../core/read-answer.ts";
import type { CallTrace } from "../core/read-call.ts";
import type { CallInput, StreamingAnswer } from "../drivers/driver.ts";
import type { StartLeave } from "./exchange.ts";

/** A call that was admitted, with what its instance is given. */
export interface PoolCall {
  readonly requestId: string;
  readonly input: CallInput;
  /** In `clock.nowMs()`; the gateway has given up by then. */
  readonly deadlineAtMs: number;
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
  readonly leave: StartLeave;
  readonly trace?: CallTrace | undefined;
}

/** Milliseconds of a call that waited for an instance of its own. */
export interface ColdStart {
  /** The whole wait; the others are parts of it. */
  readonly queueMs: number;
  /** Until the start began: there was no room, or starts were backing off. */
  readonly scheduleMs: number;
  readonly codeMs: number;
  readonly sandboxMs: number;
  readonly initMs: number;
  /** The process was there before it, waiting for any function. */
  readonly isPooled: boolean;
}

/** In the order in which they pass. */
export const coldStartPhases = (coldStart: ColdStart): readonly (readonly [string, number])[] => [
  ["queue", coldStart.queueMs],
  ["schedule", coldStart.scheduleMs],
  ["code", coldStart.codeMs],
  ["sandbox", coldStart.sandboxMs],
  ["init", coldStart.initMs],
];

/** What a call took in its cluster. */
export interface CallTiming {
  /** Waiting for an instance, a cold start included. */
  readonly queueMs: number;
  /** In the handler, and on the way to it and back. */
  readonly runMs: number;
}

/** `timing` is there where an instance was given the call. */
export type CallOutcome = CallEnding & { readonly timing?: CallTiming };

type CallEnding =
  | { readonly kind: "result"; readonly json: Buffer; readonly coldStart: ColdStart | undefined }
  /** A server's. */
  | {
      readonly kind: "answer";
      readonly head: SaidHead;
      readonly body: Buffer;
      readonly coldStart: ColdStart | undefined;
    }
  /** The answer has begun; the call goes on, and keeps its slot, until it is over. */
  | {
      readonly kind: "streamed";
      readonly answer: StreamingAnswer;
      readonly over: Promise<StreamOver>;
      readonly coldStart: ColdStart | undefined;
    }
  | CallFailure;

/** What became of an answer that had begun. `left`: nobody took the rest. */
export type StreamOver = { readonly kind: "whole" } | { readonly kind: "left" } | CallFailure;

export type CallFailure =
  /** The function's own failure. */
  | {
      readonly kind: "function-error";
      readonly errorKind: "Handled" | "Unhandled";
      readonly error: ErrorPayload;
      readonly coldStart: ColdStart | undefined;
    }
  /** The platform's failure; `isExecuted` is false where the handler was surely not started. */
  | { readonly kind: "failed"; readonly error: MeridianError; readonly isExecuted: boolean };

export const refused = (error: MeridianError): CallOutcome => ({
  kind: "failed",
  error,
  isExecuted: false,
});
