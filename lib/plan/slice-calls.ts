import type { PlannedCluster, PlanInputs } from "./plan-inputs.ts";

/**
 * A part of every origin's calls that sees the clusters alike. A cluster that ramps up at 10 % is seen by a tenth of the calls, and a
 * shift of 50 % shows another cluster, or none, in its place to half of them: the rest of the plan knows of neither.
 */
export interface CallSlice {
  /** Of all calls; the slices add up to 1. */
  readonly part: number;
  /** What stands in the place of a cluster; nothing where the slice does not see it. */
  readonly seenAs: ReadonlyMap<string, string>;
}

interface Sight {
  readonly untilPart: number;
  readonly seenAs: string | undefined;
}

/** `usable`: the clusters that the calls may go to at all; only between those is anything shifted. */
export function sliceCalls(
  usable: readonly PlannedCluster[],
  shifts: PlanInputs["shifts"],
): readonly CallSlice[] {
  const ids = new Set(usable.map(({ clusterId }) => clusterId));
  const sights = new Map(usable.map((cluster) => [cluster.clusterId, look(cluster, ids, shifts)]));
  const cuts = [...sights.values()].flat().map(({ untilPart }) => untilPart);
  const ends = [...new Set([...cuts, 1])].filter((end) => end > 0).toSorted((a, b) => a - b);
  return ends.map((end, index) => {
    const seenAs = new Map<string, string>();
    for (const [clusterId, its] of sights) {
      const seen = its.find(({ untilPart }) => end <= untilPart)?.seenAs;
      if (seen !== undefined) seenAs.set(clusterId, seen);
    }
    return { part: end - (ends[index - 1] ?? 0), seenAs };
  });
}

/** How the calls see one cluster, from the first to the last: as itself, as where shifts lead, not at all. */
function look(
  { clusterId, rampPercent }: PlannedCluster,
  usable: ReadonlySet<string>,
  shifts: PlanInputs["shifts"],
): readonly Sight[] {
  const ramp = rampPercent / 100;
  const own = shifts.filter(({ fromCluster }) => fromCluster === clusterId);
  const shiftedPercent = own.reduce((sum, { percent }) => sum + percent, 0);
  // Shifts of more than everything divide it in proportion.
  const scale = ramp / Math.max(100, shiftedPercent);
  let untilPart = Math.max(0, ramp - shiftedPercent * scale);
  const sights: Sight[] = [{ untilPart, seenAs: clusterId }];
  for (const { toCluster, percent } of own) {
    untilPart = Math.min(ramp, untilPart + percent * scale);
    const seenAs = toCluster !== null && usable.has(toCluster) ? toCluster : undefined;
    sights.push({ untilPart, seenAs });
  }
  return sights;
}
