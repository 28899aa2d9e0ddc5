/** Starts that the platform failed at, before anything of the function ran: no process, no sandbox. */
export interface StartTrouble {
  readonly failures: number;
  /** No instance is started before. */
  readonly startAtMs: number;
}

export const noStartTrouble: StartTrouble = {
  failures: 0,
  startAtMs: Number.NEGATIVE_INFINITY,
};

/** So many in a row, and calls are told, so that they may go elsewhere. */
const FAILURES_MAX = 3;
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 1_000;

/** Each failure doubles the pause, from 50 ms to 1 s. Those of starts that ran side by side count once. */
export function afterFailedStart(trouble: StartTrouble, nowMs: number): StartTrouble {
  if (nowMs < trouble.startAtMs) return trouble;
  const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** trouble.failures);
  return { failures: trouble.failures + 1, startAtMs: nowMs + pauseMs };
}

/** Whether a waiting call is worth another start here. */
export const mayTryAgain = ({ failures }: StartTrouble): boolean => failures < FAILURES_MAX;
