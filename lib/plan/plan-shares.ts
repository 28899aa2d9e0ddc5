import type { ClassDemand } from "#lib/contracts/control-records.ts";
import { apparentKilometres } from "#lib/apparent-distance.ts";
import { isProved } from "#lib/isolation.ts";
import { permittedZones } from "#lib/residency.ts";
import { type DistantCluster, type Filling, fillClusters, type Parcel } from "./fill-clusters.ts";
import { classKey, type PlacementClass, type Tier, TIERS } from "./placement-class.ts";
import type { PlannedCluster, PlanInputs } from "./plan-inputs.ts";
import { sliceCalls } from "./slice-calls.ts";

/** Where the calls go that come from one zone, of one tier. The shares and `shed` add up to 1. */
export interface OriginShares {
  /** Those that may take calls, nearest to the origin first; none: there is no cluster in service that the class permits. */
  readonly clusters: readonly { readonly clusterId: string; readonly share: number }[];
  readonly shed: number;
}

/** By the name of the origin's zone. */
export type PlannedShares = ReadonlyMap<string, Readonly<Record<Tier, OriginShares>>>;

/**
 * Who serves the calls of a class, from every zone: each cluster its own zone's, and of the others what overflows, the more important
 * tiers before the less; what fits nowhere is shed where it comes from. A pure function of its arguments, the same in every gateway
 * and federator; with `without` it tells the shares for the loss of clusters that the table still has.
 */
export function planShares(
  inputs: PlanInputs,
  wanted: PlacementClass,
  without: ReadonlySet<string>,
): PlannedShares {
  const groups = groupDemand(inputs, wanted, without);
  const filling: Filling = new Map();
  const wantedGroup = groups.find(({ isWanted }) => isWanted);
  const shares = new Map(
    inputs.zones.map(({ name }) => [name, { critical: NOWHERE, normal: NOWHERE, batch: NOWHERE }]),
  );
  for (const tier of TIERS) {
    const crates = groups.flatMap((group) => packGroup(group, tier, inputs));
    // Calls of which next to none are known come first: they take next to nothing from the others.
    const parcels = crates
      .toSorted((one, other) => Number(one.isMeasured) - Number(other.isMeasured))
      .flatMap((crate) => crate.parcels);
    fillClusters(parcels, filling);
    for (const crate of crates)
      if (crate.group === wantedGroup) {
        const ofOrigin = shares.get(crate.origin);
        if (ofOrigin !== undefined) ofOrigin[tier] = sharesOf(crate);
      }
  }
  return shares;
}

const NOWHERE: OriginShares = { clusters: [], shed: 1 };
/** So few calls take no room that others would miss. */
const UNMEASURED = 1e-6;
/** Less is the rounding of floating-point numbers. */
const NEGLIGIBLE = 1e-9;

/** Classes that may use the same clusters in the same way are placed together, so that none of them comes before the others. */
interface Group {
  readonly key: string;
  readonly spread: PlacementClass["spread"];
  /** By residency alone, whatever their state. */
  readonly permitted: ReadonlySet<string>;
  readonly usable: readonly PlannedCluster[];
  readonly origins: Map<string, Record<Tier, number>>;
  isWanted: boolean;
}

function groupDemand(
  inputs: PlanInputs,
  wanted: PlacementClass,
  without: ReadonlySet<string>,
): readonly Group[] {
  const groups = new Map<string, Group>();
  const groupOf = (one: PlacementClass): Group => {
    const group = emptyGroup(one, inputs, without);
    const known = groups.get(group.key);
    if (known === undefined) groups.set(group.key, group);
    return known ?? group;
  };
  groupOf(wanted).isWanted = true;
  for (const one of mergeEqual(inputs.demand)) {
    const { origins } = groupOf(one);
    for (const [zone, demand] of Object.entries(one.origins)) {
      const sum = origins.get(zone) ?? { critical: 0, normal: 0, batch: 0 };
      for (const tier of TIERS) sum[tier] += demand[tier];
      origins.set(zone, sum);
    }
  }
  // Those with the least choice come first: the others have somewhere else to go.
  return [...groups.values()].toSorted(
    (one, other) => one.usable.length - other.usable.length || compare(one.key, other.key),
  );
}

/** In an order of their own, so that sums of floating-point numbers do not depend on how the demand is listed. */
const mergeEqual = (demand: readonly ClassDemand[]): readonly ClassDemand[] =>
  demand.toSorted((one, other) => compare(classKey(one), classKey(other)));

function emptyGroup(
  { regions, spread, failback, minIsolation = "L0" }: PlacementClass,
  { zones, clusters, awaitsFailback }: PlanInputs,
  without: ReadonlySet<string>,
): Group {
  const permitted = new Set(permittedZones(regions, zones).map(({ clusterId }) => clusterId));
  const usable = clusters
    .filter(
      ({ clusterId, isInService, rampPercent, isolationLevel }) =>
        permitted.has(clusterId) &&
        isInService &&
        isProved(minIsolation, isolationLevel) &&
        rampPercent > 0 &&
        !without.has(clusterId) &&
        !(failback === "manual" && awaitsFailback.includes(clusterId)),
    )
    .toSorted((one, other) => compare(one.clusterId, other.clusterId));
  const names = usable.map(({ clusterId }) => clusterId);
  const key = `${[...permitted].toSorted().join()} ${names.join()} ${spread}`;
  return { key, spread, permitted, usable, origins: new Map(), isWanted: false };
}

/** The calls of one group from one origin, in slices. */
interface Crate {
  readonly group: Group;
  readonly origin: string;
  readonly isMeasured: boolean;
  readonly homeKilometres: number;
  readonly parcels: readonly Parcel[];
}

/** Those who are nearest to their home cluster first. */
function packGroup(group: Group, tier: Tier, { zones, shifts }: PlanInputs): readonly Crate[] {
  const slices = sliceCalls(group.usable, shifts);
  const isRampWaived = group.usable.every(({ rampPercent }) => rampPercent < 100);
  const inOrder = zones.toSorted((one, other) => compare(one.name, other.name));
  const crates = inOrder.map((origin): Crate => {
    const measured = group.origins.get(origin.name)?.[tier] ?? 0;
    const nearestFirst = zones
      .filter(({ clusterId }) => group.permitted.has(clusterId))
      // Whole kilometres: two machines must never disagree on an order for a rounding.
      .map((zone) => ({ zone, kilometres: Math.round(apparentKilometres(origin, zone)) }))
      .toSorted(
        (one, other) =>
          one.kilometres - other.kilometres ||
          // Of zones in one place, each serves its own.
          Number(other.zone.name === origin.name) - Number(one.zone.name === origin.name) ||
          compare(one.zone.clusterId, other.zone.clusterId),
      );
    const usable = nearestFirst.flatMap(({ zone, kilometres }): DistantCluster[] => {
      const cluster = group.usable.find(({ clusterId }) => clusterId === zone.clusterId);
      return cluster === undefined ? [] : [{ cluster, kilometres }];
    });
    const homeCluster = group.spread === "even" ? undefined : nearestFirst[0]?.zone.clusterId;
    const parcels = slices.map((slice): Parcel => {
      const demand = Math.max(measured, UNMEASURED) * slice.part;
      const calls = { demand, left: demand, taken: new Map<string, number>() };
      return { origin: origin.name, slice, usable, homeCluster, isRampWaived, ...calls };
    });
    const homeKilometres = nearestFirst[0]?.kilometres ?? 0;
    return { group, origin: origin.name, isMeasured: measured > 0, homeKilometres, parcels };
  });
  return crates.toSorted((one, other) => one.homeKilometres - other.homeKilometres);
}

function sharesOf({ parcels }: Crate): OriginShares {
  const [first] = parcels;
  if (first === undefined || first.usable.length === 0) return NOWHERE;
  const demand = parcels.reduce((sum, parcel) => sum + parcel.demand, 0);
  const left = parcels.reduce((sum, parcel) => sum + parcel.left, 0);
  const shed = left / demand < NEGLIGIBLE ? 0 : left / demand;
  const clusters = first.usable.map(({ cluster: { clusterId } }) => {
    const taken = parcels.reduce((sum, parcel) => sum + (parcel.taken.get(clusterId) ?? 0), 0);
    const share = taken / demand;
    return { clusterId, share: share < NEGLIGIBLE ? 0 : share };
  });
  return { clusters, shed };
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
