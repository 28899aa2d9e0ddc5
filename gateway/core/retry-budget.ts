import { createSlidingCount, type SlidingCount } from "./sliding-count.ts";

export interface RetryBudgetLimits {
  /** Retries that each tenant may make in a window, so that those who call little can retry too. */
  readonly retriesMin: number;
  /** Share of its requests of the window that may be retried, whatever the others do. */
  readonly retryPercent: number;
  /** What all tenants together may retry beyond their shares. */
  readonly retriesMinOfAll: number;
}

export interface RetryBudgetState {
  readonly requests: number;
  readonly spent: number;
  readonly allowed: number;
  /** How often there was no room for one. */
  readonly refused: number;
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
}

/** One for each tenant, so that one whose functions fail uses up nobody else's. */
export interface RetryBudgets {
  readonly of: (tenant: string) => RetryBudget;
  /** Of all tenants, in the window that ends now. */
  readonly state: (nowMs: number) => RetryBudgetState;
}

/** The one that has not called for the longest time gives way, and begins anew when it calls again. */
const TENANTS_MAX = 2_000;

export function createRetryBudgets(limits: RetryBudgetLimits): RetryBudgets {
  const { retryPercent, retriesMinOfAll } = limits;
  const tenants = new Map<string, RetryBudget>();
  const requests = createSlidingCount();
  const spent = createSlidingCount();
  const beyondShares = createSlidingCount();
  const refused = createSlidingCount();
  const all: Pool = { requests, spent, beyondShares, refused };
  return {
    of: (tenant) => {
      const budget = tenants.get(tenant) ?? createBudget(limits, all);
      tenants.delete(tenant);
      tenants.set(tenant, budget);
      const [oldest] = tenants.size > TENANTS_MAX ? tenants.keys() : [];
      if (oldest !== undefined) tenants.delete(oldest);
      return budget;
    },
    state: (nowMs) => ({
      requests: requests.total(nowMs),
      spent: spent.total(nowMs),
      allowed: Math.floor((requests.total(nowMs) * retryPercent) / 100) + retriesMinOfAll,
      refused: refused.total(nowMs),
    }),
  };
}

/** What is counted of all tenants together. */
interface Pool {
  readonly requests: SlidingCount;
  readonly spent: SlidingCount;
  readonly beyondShares: SlidingCount;
  readonly refused: SlidingCount;
}

function createBudget(
  { retriesMin, retryPercent, retriesMinOfAll }: RetryBudgetLimits,
  all: Pool,
): RetryBudget {
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
  const shareOf = (nowMs: number): number => (requests.total(nowMs) * retryPercent) / 100;
  const hasRoom = (nowMs: number): boolean => {
    const withThis = spent.total(nowMs) + expectedToFail(nowMs) + 1;
    if (withThis <= shareOf(nowMs)) return true;
    if (withThis <= retriesMin && all.beyondShares.total(nowMs) < retriesMinOfAll) return true;
    all.refused.add(nowMs);
    return false;
  };
  const spend = (nowMs: number): void => {
    spent.add(nowMs);
    all.spent.add(nowMs);
    if (spent.total(nowMs) > shareOf(nowMs)) all.beyondShares.add(nowMs);
  };
  return {
    countRequest: (nowMs) => {
      requests.add(nowMs);
      all.requests.add(nowMs);
    },
    trySpend: (nowMs) => {
      if (!hasRoom(nowMs)) return false;
      spend(nowMs);
      return true;
    },
    tryFree: (nowMs) => {
      if (!hasRoom(nowMs)) return false;
      underWay += 1;
      return true;
    },
    endFree: (hasHelped, nowMs) => {
      underWay -= 1;
      if (hasHelped) return helped.add(nowMs);
      failed.add(nowMs);
      spend(nowMs);
    },
  };
}
