/** How an attempt ended that was not an answer, by what is proved about the handler. */
export type AttemptFailure =
  /** No byte of it was written. */
  | "not-sent"
  /** The agent answered that the handler was not started. */
  | "refused"
  /** Bytes were written and no answer came back: it may have run. */
  | "maybe-executed";

export interface AttemptsSoFar {
  readonly failure: AttemptFailure;
  readonly isIdempotent: boolean;
  /** The failed one included. */
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly remainingMs: number;
}

export type RetryDecision =
  | { readonly kind: "elsewhere" }
  /** Only if the retry budget has room. */
  | { readonly kind: "elsewhere-on-budget" }
  | { readonly kind: "give-up" };

/** With less time than this left, a further attempt would only burn capacity. */
const REMAINING_MIN_MS = 50;

/** A second start is risked only where the function permits it; what surely did not run may always go elsewhere. */
export function decideRetry(call: AttemptsSoFar): RetryDecision {
  if (call.attempts >= call.attemptsMax || call.remainingMs < REMAINING_MIN_MS)
    return { kind: "give-up" };
  if (call.failure !== "maybe-executed") return { kind: "elsewhere" };
  return call.isIdempotent ? { kind: "elsewhere-on-budget" } : { kind: "give-up" };
}
