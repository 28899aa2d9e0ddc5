import type { ClusterRoute } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { apparentKilometres } from "#lib/apparent-distance.ts";
import { distanceKilometres, type GeoPoint } from "#lib/great-circle.ts";
import type { Random } from "#lib/ports/random.ts";
import type { ClusterRoom } from "./cluster-room.ts";
import { drawnFirst, type Preference, shareOf } from "./draw-cluster.ts";
import type { CircuitStanding } from "./function-circuits.ts";

/** What this gateway knows of a zone's cluster at the moment of choosing. */
export interface ClusterSnapshot {
  readonly zone: Zone;
  /** The federation's word, from the route table. */
  readonly state: "up" | "down" | "unseen";
  /** An operator's word. */
  readonly mode: NonNullable<ClusterRoute["mode"]>;
  /** Below 100 while it ramps up after a return. */
  readonly weightPercent: number;
  /** It was lost, and the function's placement leaves it to an operator when it gets calls again. */
  readonly awaitsRelease: boolean;
  /** Held to be down by this zone's federator, on fresh evidence of two zones. */
  readonly isOverlaid: boolean;
  /**
   * This gateway's own pings; `absent`: no agent of it is known to be running; `late`: it answered them, but not the last, and the calls
   * that wait for it hear nothing either.
   */
  readonly pings: "good" | "unknown" | "late" | "avoid" | "absent";
  readonly isTripped: boolean;
  /** Of this function on it, as far as this gateway's own calls tell. */
  readonly circuit: CircuitStanding;
  /** For calls of this tier. */
  readonly room: ClusterRoom;
  /** This gateway's attempts that are under way on it. */
  readonly inFlight: number;
}

export interface RankedCluster {
  readonly zone: Zone;
  readonly distanceKilometres: number;
  readonly decision: "chosen" | "standby" | "refused";
  readonly reason: string;
  readonly standing: Standing["kind"];
}

/**
 * The clusters in order of preference: one of the usable is drawn by its share in the plan, of neighbours the less busy; the others stand by, nearest first.
 * Without a preference the nearest is chosen. Only permitted zones may be given; nothing here can add one. With `failover` off the
 * nearest is chosen whatever is known of it, and there is no standby.
 */
export function orderClusters(
  permitted: readonly ClusterSnapshot[],
  origin: GeoPoint,
  failover: "on" | "off",
  preference: Preference | undefined,
  random: Random,
): readonly RankedCluster[] {
  const nearestFirst = permitted
    .map((cluster) => ({
      cluster,
      kilometres: distanceKilometres(origin, cluster.zone),
      apparent: apparentKilometres(origin, cluster.zone),
    }))
    .toSorted(byApparentDistance);
  if (failover === "off") return nearestFirst.map(homeOnly);

  const full: Ranking[] = [];
  const ramping: Ranking[] = [];
  const failing: Ranking[] = [];
  const lastResort: Ranking[] = [];
  const refused: Ranking[] = [];
  const isNoQueueUsed = preference?.isCrowded === true && isSlotFree(permitted);
  for (const { cluster, kilometres } of nearestFirst) {
    const standing = judge(cluster, isNoQueueUsed);
    const reason = standing.reason ?? describeShare(cluster, preference);
    const { circuit } = cluster;
    const openForMs = circuit.kind === "open" ? circuit.forMs : 0;
    const { zone, inFlight } = cluster;
    const ranking = { zone, kilometres, reason, standing: standing.kind, openForMs, inFlight };
    if (standing.kind === "last-resort") lastResort.push(ranking);
    else if (standing.kind === "circuit-open") failing.push(ranking);
    else if (standing.kind !== "usable") refused.push(ranking);
    else (cluster.weightPercent < 100 ? ramping : full).push(ranking);
  }
  const usable = drawnFirst([...full, ...ramping], preference, random);
  // The least bad is the one that is tried again first: the more often a cluster failed, the longer it is left alone.
  if (failing.length > 1) failing.sort(byOpenTime);
  const others = [...failing, ...lastResort];
  const order = usable.length > 0 ? usable : others;
  const unused = usable.length > 0 ? [...others, ...refused] : refused;
  return [
    ...order.map((ranking, index) => ranked(ranking, index === 0 ? "chosen" : "standby")),
    ...unused.map((ranking) => ranked(ranking, "refused")),
  ];
}

/** Clusters that this gateway knows to be out of reach, whatever the table says: the plan is asked for their loss. */
export const isOutOfReach = ({ isOverlaid, pings, isTripped }: ClusterSnapshot): boolean =>
  isOverlaid || isTripped || pings === "avoid" || pings === "absent";

/**
 * Whether nothing but clusters that have failed the function is left of those that its calls may go to: then its fallback answers,
 * if it has one.
 */
export function isOpenEverywhere(permitted: readonly ClusterSnapshot[]): boolean {
  const standings = permitted.map((cluster) => judge(cluster).kind);
  return standings.includes("circuit-open") && !standings.includes("usable");
}

interface Ranking {
  readonly zone: Zone;
  readonly kilometres: number;
  readonly reason: string;
  readonly standing: Standing["kind"];
  /** 0 for a circuit that is not open. */
  readonly openForMs: number;
  readonly inFlight: number;
}

type Standing =
  | { readonly kind: "usable"; readonly reason?: undefined }
  /** `circuit-open` and `last-resort` are used where nothing is usable, `full` and `refused` never. */
  | {
      readonly kind: "circuit-open" | "last-resort" | "full" | "refused";
      readonly reason: string;
    };

/** What this gateway's own connections say comes first: nothing overrules a cluster that refuses or stalls them. */
function judge(cluster: ClusterSnapshot, isNoQueueUsed = false): Standing {
  if (cluster.pings === "absent") return { kind: "refused", reason: "no agent of it is known" };
  if (cluster.pings === "avoid")
    return { kind: "refused", reason: "it does not answer this gateway's pings" };
  if (cluster.isTripped) return { kind: "refused", reason: "the circuit breaker to it is open" };
  if (cluster.mode === "quarantined")
    return { kind: "refused", reason: "an operator has quarantined it" };
  const { room } = cluster;
  if (room.kind === "full" || (isNoQueueUsed && room.kind === "queue"))
    return { kind: "full", reason: describeFull(room) };

  if (cluster.pings === "late")
    return { kind: "last-resort", reason: "its last ping is late, and its calls hear nothing" };

  const against = wordAgainst(cluster);
  const { circuit } = cluster;
  if (against === undefined && circuit.kind === "open")
    return {
      kind: "circuit-open",
      reason: `it failed the function's last calls and is tried again in ${Math.ceil(circuit.forMs / 1_000)} s`,
    };
  if (against === undefined) return { kind: "usable" };
  return { kind: cluster.pings === "good" ? "last-resort" : "refused", reason: against };
}

function wordAgainst(cluster: ClusterSnapshot): string | undefined {
  const { state, mode, isOverlaid, awaitsRelease } = cluster;
  if (state === "unseen") return "no zone has reached it yet";
  if (state === "down") return "the federation's verdict is down";
  if (isOverlaid) return "fresh evidence of two zones holds it to be down";
  if (mode === "draining") return "an operator drains it";
  if (awaitsRelease)
    return "it was lost and waits for an operator's release, as the placement asks";
  return undefined;
}

/** While the plan turns calls away, a free slot anywhere goes before a queue, as the shares are some seconds old. */
const isSlotFree = (permitted: readonly ClusterSnapshot[]): boolean =>
  permitted.some((one) => one.room.kind === "room" && judge(one).kind === "usable");

const describeFull = ({ inFlight, limit }: Exclude<ClusterRoom, { kind: "room" }>): string =>
  `it has ${inFlight} of this gateway's calls, and calls of this tier may make it ${limit}`;

function describeShare({ zone, weightPercent }: ClusterSnapshot, preference?: Preference): string {
  if (preference === undefined) return "up";
  const share = shareOf(zone, preference);
  const percent = share > 0 && share < 0.01 ? "less than 1 %" : `${Math.round(share * 100)} %`;
  const ramp = weightPercent < 100 ? ", while it ramps up" : "";
  return `up; takes ${percent} of ${preference.originZone}'s calls${ramp}`;
}

function homeOnly(
  { cluster, kilometres }: { readonly cluster: ClusterSnapshot; readonly kilometres: number },
  index: number,
): RankedCluster {
  const { zone, inFlight } = cluster;
  const ranking = { zone, kilometres, standing: "usable" as const, openForMs: 0, inFlight };
  return index === 0
    ? ranked({ ...ranking, reason: "the nearest; failover is off" }, "chosen")
    : ranked({ ...ranking, reason: "failover is off" }, "refused");
}

const ranked = (ranking: Ranking, decision: RankedCluster["decision"]): RankedCluster => ({
  zone: ranking.zone,
  distanceKilometres: Math.round(ranking.kilometres),
  decision,
  reason: ranking.reason,
  standing: ranking.standing,
});

const byOpenTime = (one: Ranking, other: Ranking): number => one.openForMs - other.openForMs;

interface Placed {
  readonly cluster: ClusterSnapshot;
  readonly apparent: number;
}

const byApparentDistance = (one: Placed, other: Placed): number =>
  one.apparent - other.apparent ||
  (one.cluster.zone.clusterId < other.cluster.zone.clusterId ? -1 : 1);
