import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import type { MeridianError } from "#lib/errors.ts";
import type { CallTrace } from "../core/read-call.ts";
import type { StartLeave } from "./exchange.ts";

/** A call that was admitted, with its event ready for the handler. */
export interface PoolCall {
  readonly requestId: string;
  readonly event: Buffer;
  /** In `clock.nowMs()`; the gateway has given up by then. */
  readonly deadlineAtMs: number;
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
  readonly leave: StartLeave;
  readonly trace?: CallTrace | undefined;
}

/** Milliseconds of a call that waited for an instance of its own. */
export interface ColdStart {
  readonly queueMs: number;
  readonly codeMs: number;
  readonly sandboxMs: number;
  readonly initMs: number;
}

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
