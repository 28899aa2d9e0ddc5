/** How often instances of one class are started, and how long it takes until a runner waits for the next. */
export interface PoolDemand {
  /** Exponentially weighted: what is `MEMORY_MS` old counts 1/e. */
  readonly startsPerMs: number;
  readonly refillMs: number;
  readonly startedAtMs: number;
  /** After a runner that came to nothing. */
  readonly refillFromMs: number;
  /** Kept whether they are used or not. */
  readonly runnersAlways: number;
}

const MEMORY_MS = 10_000;
/** Until the first refill is measured. */
const REFILL_GUESS_MS = 200;
const REFILL_SHARE = 0.3;
/** Starts come in bunches: more than the average of them is kept. */
const HEADROOM = 2;
/** While a class is used at all: the next call rarely comes alone. */
const RUNNERS_MIN = 2;
/** A class that was not used for so long is not kept. */
const KEPT_MS = 600_000;
const RETRY_MS = 30_000;

export const firstDemand = (nowMs: number, runnersAlways = 0): PoolDemand => ({
  startsPerMs: 0,
  refillMs: REFILL_GUESS_MS,
  startedAtMs: Number.NEGATIVE_INFINITY,
  refillFromMs: nowMs,
  runnersAlways,
});

export const afterStart = (demand: PoolDemand, nowMs: number): PoolDemand => ({
  ...demand,
  startsPerMs: rateAt(demand, nowMs) + 1 / MEMORY_MS,
  startedAtMs: nowMs,
});

export const afterRefill = (demand: PoolDemand, tookMs: number): PoolDemand => ({
  ...demand,
  refillMs: demand.refillMs + (tookMs - demand.refillMs) * REFILL_SHARE,
});

export const afterFailedRefill = (demand: PoolDemand, nowMs: number): PoolDemand => ({
  ...demand,
  refillFromMs: nowMs + RETRY_MS,
});

/** What is likely asked for until a runner that is taken now is replaced. */
export function runnersWanted(demand: PoolDemand, nowMs: number): number {
  if (nowMs - demand.startedAtMs >= KEPT_MS) return demand.runnersAlways;
  const likely = Math.ceil(rateAt(demand, nowMs) * demand.refillMs * HEADROOM);
  return Math.max(RUNNERS_MIN, demand.runnersAlways, likely);
}

const rateAt = ({ startsPerMs, startedAtMs }: PoolDemand, nowMs: number): number =>
  startsPerMs === 0 ? 0 : startsPerMs * Math.exp(-(nowMs - startedAtMs) / MEMORY_MS);
