export interface RetryBudgetLimits {
  /** Retries that are always allowed in a window, so that quiet gateways can retry too. */
  readonly retriesMin: number;
  /** Share of the window's requests that may be retried. */
  readonly retryPercent: number;
}

/** Keeps retries after possible executions a small part of the load, so that they cannot become the overload. */
export interface RetryBudget {
  readonly countRequest: (nowMs: number) => void;
  /** Counts the retry and permits it, or neither. */
  readonly trySpend: (nowMs: number) => boolean;
}

/** The window slides in steps of one second. */
const WINDOW_SECONDS = 10;

export function createRetryBudget(limits: RetryBudgetLimits): RetryBudget {
  const requests = slidingCount();
  const retries = slidingCount();
  return {
    countRequest: (nowMs) => requests.add(nowMs),
    trySpend: (nowMs) => {
      const allowed = Math.max(
        limits.retriesMin,
        (requests.total(nowMs) * limits.retryPercent) / 100,
      );
      if (retries.total(nowMs) + 1 > allowed) return false;
      retries.add(nowMs);
      return true;
    },
  };
}

const slotOf = (second: number): number =>
  ((second % WINDOW_SECONDS) + WINDOW_SECONDS) % WINDOW_SECONDS;

function slidingCount() {
  const counts = Array.from({ length: WINDOW_SECONDS }, () => 0);
  let newestSecond = Number.NEGATIVE_INFINITY;
  const slideTo = (nowMs: number): void => {
    const second = Math.floor(nowMs / 1_000);
    const passed = Math.min(WINDOW_SECONDS, second - newestSecond);
    for (let step = 0; step < passed; step += 1) counts[slotOf(second - step)] = 0;
    newestSecond = Math.max(newestSecond, second);
  };
  return {
    add: (nowMs: number) => {
      slideTo(nowMs);
      const slot = slotOf(newestSecond);
      counts[slot] = (counts[slot] ?? 0) + 1;
    },
    total: (nowMs: number) => {
      slideTo(nowMs);
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}
