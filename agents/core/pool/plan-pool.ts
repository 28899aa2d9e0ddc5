import { type PoolDemand, runnersWanted } from "./pool-demand.ts";

export interface PoolShelf {
  readonly demand: PoolDemand;
  /** Runners that wait, those that are still starting included. */
  readonly runners: number;
}

export interface PoolPlan<T> {
  /** For which a runner is started now; one at a time, so that they take little from what serves. */
  readonly start: T | undefined;
  /** Which have runners that nobody is likely to need, each with how many. */
  readonly retire: readonly { readonly shelf: T; readonly runners: number }[];
}

export interface PoolState {
  /** Of all shelves. */
  readonly runnersMax: number;
  /** Instances are being started for calls, or a runner is: whatever else would make them slower. */
  readonly isBusy: boolean;
}

/** The shelf that lacks the most, by its share, is filled first; nothing is started for the pool while calls wait for a start. */
export function planPool<T extends PoolShelf>(
  shelves: readonly T[],
  { runnersMax, isBusy }: PoolState,
  nowMs: number,
): PoolPlan<T> {
  const wanted = shelves.map((shelf) => ({ shelf, runners: runnersWanted(shelf.demand, nowMs) }));
  const retire = wanted.flatMap(({ shelf, runners }) =>
    shelf.runners > runners ? [{ shelf, runners: shelf.runners - runners }] : [],
  );
  const waiting = shelves.reduce((sum, { runners }) => sum + runners, 0);
  if (isBusy || waiting >= runnersMax) return { start: undefined, retire };
  const lacking = wanted
    .filter(({ shelf, runners }) => shelf.runners < runners && nowMs >= shelf.demand.refillFromMs)
    .toSorted(
      (one, other) => one.shelf.runners / one.runners - other.shelf.runners / other.runners,
    );
  return { start: lacking[0]?.shelf, retire };
}
