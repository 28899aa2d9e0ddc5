import type { ClusterSight } from "./judge-cluster.ts";

export interface Vigilance {
  /** The longest time that this process did not come to its turn lately. */
  readonly lagMs: number;
  /** Since it last stood still for so long that it missed what happened. */
  readonly awakeForMs: number;
}

export interface VigilanceLimits {
  readonly lagMaxMs: number;
  /** After standing still: the time in which every cluster was asked anew. */
  readonly settleMs: number;
}

/**
 * An observer that lags, that has just woken up, or that sees most of its targets down or late, is likelier to be the one that is
 * ill; its evidence does not count. Late ones count, because to an observer that has gone blind one target is the first to look
 * down. Targets are the clusters that the federation still counts on: what it has agreed to be down is no symptom of the
 * observer, or the second loss would never be seen. After Lifeguard (Dadgar, Phillips, Currey 2017).
 */
export function isQualifiedObserver(
  sights: readonly ClusterSight[],
  { lagMs, awakeForMs }: Vigilance,
  { lagMaxMs, settleMs }: VigilanceLimits,
): boolean {
  if (lagMs > lagMaxMs || awakeForMs < settleMs) return false;
  const badCount = sights.filter((sight) => sight === "down" || sight === "suspect").length;
  return sights.length < 2 || badCount * 2 <= sights.length;
}
