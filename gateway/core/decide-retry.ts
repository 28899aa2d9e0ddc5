import type { Random } from "#lib/ports/random.ts";

/** How an attempt ended that was not an answer, by what is proved about the handler. */
export type AttemptFailure =
  /** No byte of it was written. */
  | "not-sent"
  /** The agent answered that the handler was not started. */
  | "refused"
  /** It was given up while the agent still had to ask for leave to start it. */
  | "not-begun"
  /** Bytes were written and no answer of the function came back: it may have run. */
  | "maybe-executed";

export interface AttemptsSoFar {
  readonly failure: AttemptFailure;
  readonly isIdempotent: boolean;
  /** A part of its body was sent on as it came, and is kept nowhere. */
  readonly isBodySpent: boolean;
  /** The failed one included. */
  readonly attempts: number;
  /** How often it was withdrawn from a cluster that then said nothing, the last time included. */
  readonly withdrawals: number;
  readonly attemptsMax: number;
  readonly remainingMs: number;
}

export type RetryDecision =
  | { readonly kind: "again" }
  /** Only if the retry budget has room. */
  | { readonly kind: "again-on-budget" }
  | { readonly kind: "give-up" };

/** With less time than this left, a further attempt would only burn capacity. */
const REMAINING_MIN_MS = 50;
const WITHDRAWALS_MAX = 1;
/** A cluster that is tried a second time is given this long to come back. */
const PAUSE_MIN_MS = 25;
const PAUSE_MAX_MS = 250;

/** A second start is risked only where the function permits it; what surely did not run may always be tried again. */
export function decideRetry(call: AttemptsSoFar): RetryDecision {
  if (call.attempts >= call.attemptsMax || call.remainingMs < REMAINING_MIN_MS)
    return { kind: "give-up" };
  if (call.isBodySpent) return { kind: "give-up" };
  // It may be the call itself that silences them: it is not carried on to the next.
  if (call.withdrawals > WITHDRAWALS_MAX) return { kind: "give-up" };
  if (call.failure !== "maybe-executed") return { kind: "again" };
  return call.isIdempotent ? { kind: "again-on-budget" } : { kind: "give-up" };
}

/** How long to wait before the same cluster is tried again: jittered, and never into the time an attempt needs. */
export function pauseBeforeSameMs(remainingMs: number, random: Random): number {
  const pauseMs = PAUSE_MIN_MS + (PAUSE_MAX_MS - PAUSE_MIN_MS) * random.next();
  return Math.max(0, Math.min(pauseMs, remainingMs - REMAINING_MIN_MS));
}
