import { createSlidingCount } from "./sliding-count.ts";

export interface RetryBudgetLimits {
  /** Retries that are always allowed in a window, so that quiet gateways can retry too. */
  readonly retriesMin: number;
  /** Share of the window's requests that may be retried. */
  readonly retryPercent: number;
}

export interface RetryBudgetState {
  readonly requests: number;
  readonly spent: number;
  readonly allowed: number;
}

/**
 * Keeps further attempts a small part of the load, so that they cannot become the overload. Those after a possible execution are
 * spent when they begin. Those of calls that surely did not run are free as long as they help, or one lost cluster would fail calls
 * that its neighbour has room for; they are spent when they fail.
 */
export interface RetryBudget {
  readonly countRequest: (nowMs: number) => void;
  /** Counts the retry and permits it, or neither. */
  readonly trySpend: (nowMs: number) => boolean;
  /** As `trySpend`, for a call that did not run; each that is permitted has to be ended. */
  readonly tryFree: (nowMs: number) => boolean;
  readonly endFree: (hasHelped: boolean, nowMs: number) => void;
  /** In the window that ends now. */
  readonly state: (nowMs: number) => RetryBudgetState;
}

export function createRetryBudget(limits: RetryBudgetLimits): RetryBudget {
  const requests = createSlidingCount();
  const spent = createSlidingCount();
  const helped = createSlidingCount();
  const failed = createSlidingCount();
  let underWay = 0;

  /** Free ones under way are expected to end as those before them did. */
  const expectedToFail = (nowMs: number): number => {
    const failures = failed.total(nowMs);
    const ended = failures + helped.total(nowMs);
    return ended === 0 ? 0 : (underWay * failures) / ended;
  };
  const allowed = (nowMs: number): number =>
    Math.max(limits.retriesMin, (requests.total(nowMs) * limits.retryPercent) / 100);
  const hasRoom = (nowMs: number): boolean =>
    spent.total(nowMs) + expectedToFail(nowMs) + 1 <= allowed(nowMs);
  return {
    countRequest: requests.add,
    trySpend: (nowMs) => {
      if (!hasRoom(nowMs)) return false;
      spent.add(nowMs);
      return true;
    },
    tryFree: (nowMs) => {
      if (!hasRoom(nowMs)) return false;
      underWay += 1;
      return true;
    },
    state: (nowMs) => ({
      requests: requests.total(nowMs),
      spent: spent.total(nowMs),
      allowed: Math.floor(allowed(nowMs)),
    }),
    endFree: (hasHelped, nowMs) => {
      underWay -= 1;
      if (hasHelped) return helped.add(nowMs);
      failed.add(nowMs);
      spent.add(nowMs);
    },
  };
}
