import { type Tier, TIERS } from "#lib/plan/placement-class.ts";
import type { InstanceState } from "./instance-lifecycle.ts";

/** A version with calls that wait for instances in a cluster that is full. */
export interface VersionNeed {
  readonly tier: Tier;
  /** It has none that takes calls. */
  readonly isStarved: boolean;
  /** Instances that its calls would be given, were there place. */
  readonly lacking: number;
  /** How long the oldest of its calls has waited. */
  readonly waitedMs: number;
}

/** Places of the cluster that change hands already. */
export interface PlacesChanging {
  readonly leaving: number;
  readonly starting: number;
  /** Of all the cluster has. */
  readonly places: number;
}

/** An instance beyond what its version is promised. */
export interface Evictable {
  readonly tier: Tier;
  readonly state: InstanceState;
}

/**
 * An instance that had no call for so long is not needed where it is. Less is the pause between two calls; more leaves places empty
 * that other calls wait for: with a second, one in twenty that three functions share (test/core/gateway/overload).
 */
const RESTED_MS = 300;

/** A call that waits for less is served by an instance of its own version sooner than a start, which takes processors from all, would serve it. */
const PATIENCE_MS = 200;
/**
 * So many places to one that may change hands at a time. A burst of one function that had all idle places at once would be followed by one
 * of the others, and starts would be all that the machine does.
 */
const PLACES_TO_A_CHANGE = 16;

/**
 * Which idle instances make room where the cluster is full, the longest unused first, for versions in need, the most important tier
 * first. A version without any gets one at once, though it only pauses, but not from a higher tier: starts of what is hardly called would
 * cost the others more than its calls are worth.
 */
export function chooseEvictions<T extends Evictable>(
  instances: readonly T[],
  needs: readonly VersionNeed[],
  { leaving, starting, places }: PlacesChanging,
  nowMs: number,
): readonly T[] {
  const left = new Set(longestIdleFirst(instances));
  const choose = (need: VersionNeed, isFirst: boolean) =>
    left.values().find(({ sinceMs, instance: { tier } }) => {
      if (sinceMs <= nowMs - RESTED_MS) return true;
      return need.isStarved && isFirst && rank(tier) >= rank(need.tier);
    });
  const chosen: T[] = [];
  let coming = leaving;
  let changes = Math.max(1, Math.floor(places / PLACES_TO_A_CHANGE)) - leaving - starting;
  const inNeed = needs.filter(({ isStarved, waitedMs }) => isStarved || waitedMs >= PATIENCE_MS);
  for (const need of inNeed.toSorted((one, other) => rank(one.tier) - rank(other.tier)))
    for (let count = 0; count < need.lacking; count += 1) {
      if (coming > 0) {
        coming -= 1;
        continue;
      }
      const isFirst = count === 0;
      const mayChange = changes > 0 || (need.isStarved && isFirst);
      const one = mayChange ? choose(need, isFirst) : undefined;
      if (one === undefined) break;
      changes -= 1;
      left.delete(one);
      chosen.push(one.instance);
    }
  return chosen;
}

const rank = (tier: Tier): number => TIERS.indexOf(tier);

function longestIdleFirst<T extends Evictable>(instances: readonly T[]) {
  return instances
    .flatMap((instance) =>
      instance.state.kind === "idle" ? [{ instance, sinceMs: instance.state.sinceMs }] : [],
    )
    .toSorted((one, other) => one.sinceMs - other.sinceMs);
}
