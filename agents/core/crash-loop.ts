import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { ERROR_TYPE_CHARACTERS_MAX, type FailingStart } from "#lib/contracts/zone-report.ts";

/** From this many init failures in a row on, callers get the last one at once instead of waiting for the next attempt. */
const FAILURES_MAX = 5;
const BACK_OFF_MIN_MS = 100;
const BACK_OFF_MAX_MS = 30_000;

/** A version whose instances die while they start. */
export interface CrashLoop {
  readonly failures: number;
  /** No instance is started before. */
  readonly startAtMs: number;
  readonly lastError: ErrorPayload | undefined;
}

export const noCrashLoop: CrashLoop = {
  failures: 0,
  startAtMs: Number.NEGATIVE_INFINITY,
  lastError: undefined,
};

/** Each failure doubles the wait, from 0.1 s to 30 s. Failures of starts that ran side by side count once. */
export function afterInitFailure(loop: CrashLoop, error: ErrorPayload, nowMs: number): CrashLoop {
  if (nowMs < loop.startAtMs) return { ...loop, lastError: error };
  const backOffMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** loop.failures);
  return { failures: loop.failures + 1, startAtMs: nowMs + backOffMs, lastError: error };
}

/** What a version that does not start shows of itself; undefined while it may be chance. */
export function describeCrashLoop(loop: CrashLoop, nowMs: number): FailingStart | undefined {
  if (loop.failures < FAILURES_MAX || loop.lastError === undefined) return undefined;
  return {
    failures: loop.failures,
    errorType: loop.lastError.errorType.slice(0, ERROR_TYPE_CHARACTERS_MAX),
    retryInMs: Math.max(0, Math.ceil(loop.startAtMs - nowMs)),
  };
}

/** What to answer without trying; undefined when the call may wait for a start. */
export function answerAtOnce(loop: CrashLoop, nowMs: number): ErrorPayload | undefined {
  return loop.failures >= FAILURES_MAX && nowMs < loop.startAtMs ? loop.lastError : undefined;
}
