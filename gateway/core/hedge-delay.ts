import { createSlidingCount } from "./sliding-count.ts";

/** When a call of a function has taken so long that a second attempt is worth its cost. */
export interface HedgeDelays {
  readonly count: (functionName: string, latencyMs: number) => void;
  /** Undefined as long as too few of its calls have told how long they take. */
  readonly delayMs: (functionName: string) => number | undefined;
}

/** Keeps second attempts of calls that nothing is known to be wrong with a small part of them. */
export interface HedgeBudget {
  readonly countRequest: (nowMs: number) => void;
  /** Counts the second attempt and permits it, or neither. */
  readonly trySpend: (nowMs: number) => boolean;
}

/** Dean and Barroso, The Tail at Scale (2013): after the 95th percentile hedges add about 5 % of load. */
const PERCENTILE = 0.95;
const HEDGE_PERCENT = 5;
const DELAY_MIN_MS = 10;
const LATENCIES_KEPT = 128;
const LATENCIES_MIN = 20;
/** The percentile is worked out anew after so many further calls. */
const RECKONED_EVERY = 8;
/** The function whose calls are the longest ago gives way. */
const FUNCTIONS_MAX = 1_000;

interface Latencies {
  readonly newest: number[];
  next: number;
  sinceReckoned: number;
  delayMs: number | undefined;
}

export function createHedgeDelays(): HedgeDelays {
  const functions = new Map<string, Latencies>();
  return {
    count: (functionName, latencyMs) => {
      const known = functions.get(functionName);
      const its = known ?? { newest: [], next: 0, sinceReckoned: 0, delayMs: undefined };
      functions.delete(functionName);
      functions.set(functionName, its);
      add(its, latencyMs);
      if (functions.size <= FUNCTIONS_MAX) return;
      for (const [oldest] of functions) {
        functions.delete(oldest);
        break;
      }
    },
    delayMs: (functionName) => functions.get(functionName)?.delayMs,
  };
}

function add(its: Latencies, latencyMs: number): void {
  its.newest[its.next] = latencyMs;
  its.next = (its.next + 1) % LATENCIES_KEPT;
  its.sinceReckoned += 1;
  const isDue = its.delayMs === undefined || its.sinceReckoned >= RECKONED_EVERY;
  if (its.newest.length < LATENCIES_MIN || !isDue) return;
  const sorted = its.newest.toSorted((one, other) => one - other);
  const percentileMs = sorted[Math.ceil(sorted.length * PERCENTILE) - 1] ?? 0;
  its.delayMs = Math.max(DELAY_MIN_MS, percentileMs);
  its.sinceReckoned = 0;
}

export function createHedgeBudget(): HedgeBudget {
  const requests = createSlidingCount();
  const hedges = createSlidingCount();
  return {
    countRequest: requests.add,
    trySpend: (nowMs) => {
      if ((hedges.total(nowMs) + 1) * 100 > requests.total(nowMs) * HEDGE_PERCENT) return false;
      hedges.add(nowMs);
      return true;
    },
  };
}
