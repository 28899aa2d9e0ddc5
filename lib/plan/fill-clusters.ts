import type { PlannedCluster } from "./plan-inputs.ts";
import type { CallSlice } from "./slice-calls.ts";

/** Survivors are filled to this part of what they can serve; the rest is for what the plan does not know (research: federation §3.7). */
export const FILL_MAX = 0.85;
/**
 * Of the room that is left in a cluster, one origin's overflow takes at most this part at first (federation §3.7). It keeps a lost
 * zone's calls from filling the next one to its brim while a third has room. What is left over after that may take all the room there
 * is: to shed a call while a cluster has room would be worse.
 */
const SPILL_MAX = 0.3;

/** Calls that are placed together: one class, origin, tier and slice. */
export interface Parcel {
  readonly origin: string;
  readonly slice: CallSlice;
  /** Clusters that it may go to, nearest first. */
  readonly usable: readonly DistantCluster[];
  /** Where it goes before any overflow of others; undefined for an even spread. */
  readonly homeCluster: string | undefined;
  /** All that is usable ramps up, so that the ramps protect nobody: there is no other place. */
  readonly isRampWaived: boolean;
  /** In calls in flight. */
  readonly demand: number;
  left: number;
  readonly taken: Map<string, number>;
}

export interface DistantCluster {
  readonly cluster: PlannedCluster;
  readonly kilometres: number;
}

/** Calls that each cluster has been given so far. */
export type Filling = Map<string, number>;

/**
 * Places the parcels of one tier, in their order, and adds them to the filling. Each step takes what a cluster has room for, so that
 * more room anywhere never leaves anybody with less.
 */
export function fillClusters(parcels: readonly Parcel[], filling: Filling): void {
  for (const parcel of parcels) takeHome(parcel, filling);
  for (const parcel of parcels) if (parcel.homeCluster === undefined) spreadEvenly(parcel, filling);
  for (const parcel of parcels) takeShifted(parcel, filling);
  const steps = nearestFirst(parcels);
  const allowances = spillAllowances(steps, filling);
  for (const { parcel, target } of steps) {
    if (target === undefined) continue;
    const key = `${parcel.origin} ${target.clusterId}`;
    const allowance = allowances.get(key) ?? 0;
    allowances.set(key, allowance - take(parcel, target, filling, { atMost: allowance }));
  }
  for (const { parcel, target } of steps) if (target !== undefined) take(parcel, target, filling);
  // Before anything is shed, calls go also where ramps and shifts would keep them from going.
  for (const { parcel, via } of steps)
    take(parcel, via, filling, { isRampWaived: parcel.isRampWaived });
}

function takeHome(parcel: Parcel, filling: Filling): void {
  const { homeCluster, slice } = parcel;
  if (homeCluster === undefined || slice.seenAs.get(homeCluster) !== homeCluster) return;
  const home = usableCluster(parcel, homeCluster);
  if (home !== undefined) take(parcel, home, filling);
}

function takeShifted(parcel: Parcel, filling: Filling): void {
  const seenAs = parcel.slice.seenAs.get(parcel.homeCluster ?? "");
  if (seenAs === undefined) return;
  const target = usableCluster(parcel, seenAs);
  if (target !== undefined) take(parcel, target, filling);
}

/** The same to each cluster in sight; what one has no room for is divided among the others. */
function spreadEvenly(parcel: Parcel, filling: Filling): void {
  const inSight = parcel.usable.flatMap(({ cluster }) => {
    const seenAs = parcel.slice.seenAs.get(cluster.clusterId);
    const target = seenAs === undefined ? undefined : usableCluster(parcel, seenAs);
    return target === undefined ? [] : [target];
  });
  const fullestFirst = inSight
    .map((cluster) => ({ cluster, room: roomIn(cluster, filling) }))
    .toSorted((one, other) => (one.room === other.room ? 0 : one.room - other.room));
  fullestFirst.forEach(({ cluster }, index) => {
    take(parcel, cluster, filling, { atMost: parcel.left / (fullestFirst.length - index) });
  });
}

interface Step {
  readonly parcel: Parcel;
  /** The cluster whose turn it is. */
  readonly via: PlannedCluster;
  /** What the parcel sees in its place. */
  readonly target: PlannedCluster | undefined;
  readonly kilometres: number;
}

/** Every parcel with every cluster it may use; of equal distance, in the order of the parcels. */
const nearestFirst = (parcels: readonly Parcel[]): readonly Step[] =>
  parcels
    .flatMap((parcel) =>
      parcel.usable.map(({ cluster: via, kilometres }): Step => {
        const seenAs = parcel.slice.seenAs.get(via.clusterId);
        const target = seenAs === undefined ? undefined : usableCluster(parcel, seenAs);
        return { parcel, via, target, kilometres };
      }),
    )
    .toSorted((one, other) => one.kilometres - other.kilometres);

/** How much of each cluster's room the overflow of each origin may take at first. */
function spillAllowances(steps: readonly Step[], filling: Filling): Map<string, number> {
  const allowances = new Map<string, number>();
  for (const { parcel, target } of steps)
    if (target !== undefined)
      allowances.set(`${parcel.origin} ${target.clusterId}`, SPILL_MAX * roomIn(target, filling));
  return allowances;
}

/** Gives the cluster as many of the parcel's calls as it has room for; says how many. */
function take(
  parcel: Parcel,
  cluster: PlannedCluster,
  filling: Filling,
  { atMost = Infinity, isRampWaived = false } = {},
): number {
  const calls = Math.min(parcel.left, atMost, roomIn(cluster, filling, isRampWaived));
  if (calls <= 0) return 0;
  const { clusterId } = cluster;
  parcel.left -= calls;
  parcel.taken.set(clusterId, (parcel.taken.get(clusterId) ?? 0) + calls);
  filling.set(clusterId, (filling.get(clusterId) ?? 0) + calls);
  return calls;
}

function roomIn(
  { clusterId, capacitySlots, rampPercent }: PlannedCluster,
  filling: Filling,
  isRampWaived = false,
): number {
  if (capacitySlots === undefined) return Infinity;
  const ramp = isRampWaived ? 1 : rampPercent / 100;
  return Math.max(0, FILL_MAX * capacitySlots * ramp - (filling.get(clusterId) ?? 0));
}

const usableCluster = ({ usable }: Parcel, clusterId: string): PlannedCluster | undefined =>
  usable.find(({ cluster }) => cluster.clusterId === clusterId)?.cluster;
