import type { CallOutcome } from "./judge-outcome.ts";
import { type CallTimes, overheadMs, stageTimes } from "./stage-times.ts";
import { isInShare } from "./trace-context.ts";

export interface LogRules {
  /** Of the requests that nobody has to look into. */
  readonly share: number;
  /** Beyond the function's own time. */
  readonly slowAfterMs: number;
}

export interface LoggedCall extends CallTimes {
  readonly traceId: string;
  readonly outcome: CallOutcome;
  /** Its answer came as it was made: how long that took is up to the function and the caller. */
  readonly isStreamed: boolean;
}

/** `share`: by its trace, so that every hop keeps the same ones. `always`: somebody may have to look into it. */
export type Logged = "share" | "always" | "no";

/** What callers did wrong, or had too much of, comes in floods: a share of it is enough, and the metrics count all. */
const ALWAYS: readonly CallOutcome[] = ["function-error", "platform-error"];

export function chooseAccessLine(call: LoggedCall, isSlow: boolean, rules: LogRules): Logged {
  if (isInShare(call.traceId, rules.share)) return "share";
  return isSlow || ALWAYS.includes(call.outcome) ? "always" : "no";
}

/** Costs nothing for a call that was quick altogether. */
export function isSlow(call: LoggedCall, { slowAfterMs }: LogRules): boolean {
  if (call.finishedAtMs - call.receivedAtMs <= slowAfterMs) return false;
  if (overheadMs(call) > slowAfterMs) return true;
  return !call.isStreamed && stageTimes(call).answer > slowAfterMs;
}
