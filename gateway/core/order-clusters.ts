import type { Zone } from "#lib/contracts/zone.ts";
import type { Random } from "#lib/ports/random.ts";
import type { GeoPoint } from "./country-centroids.ts";
import { distanceKilometres } from "./great-circle.ts";

/** What this gateway knows of a zone's cluster at the moment of choosing. */
export interface ClusterSnapshot {
  readonly zone: Zone;
  /** The federation's word, from the route table. */
  readonly state: "up" | "down" | "unseen";
  /** 0 to 100: below 100 while it ramps up after a return. */
  readonly weightPercent: number;
  /** Held to be down by this zone's federator, on fresh evidence of two zones. */
  readonly isOverlaid: boolean;
  /** This gateway's own pings; `absent`: no agent of it is known to be running. */
  readonly pings: "good" | "unknown" | "avoid" | "absent";
  readonly isTripped: boolean;
}

export interface RankedCluster {
  readonly zone: Zone;
  readonly distanceKilometres: number;
  readonly decision: "chosen" | "standby" | "refused";
  readonly reason: string;
}

/**
 * The clusters in order of preference: the nearest usable one is chosen, the next are on standby. Only permitted zones may be
 * given; nothing here can add one. With `failover` off the nearest is chosen whatever is known of it, and there is no standby.
 */
export function orderClusters(
  permitted: readonly ClusterSnapshot[],
  origin: GeoPoint,
  failover: "on" | "off",
  random: Random,
): readonly RankedCluster[] {
  const nearestFirst = permitted
    .map((cluster) => ({ cluster, kilometres: distanceKilometres(origin, cluster.zone) }))
    .toSorted((one, other) => one.kilometres - other.kilometres || byName(one, other));
  if (failover === "off") return nearestFirst.map(homeOnly);

  const full: Ranking[] = [];
  const ramping: Ranking[] = [];
  const lastResort: Ranking[] = [];
  const refused: Ranking[] = [];
  for (const { cluster, kilometres } of nearestFirst) {
    const standing = judge(cluster, random);
    const ranking = { zone: cluster.zone, kilometres, reason: standing.reason };
    switch (standing.kind) {
      case "usable":
        full.push(ranking);
        break;
      case "ramping":
        ramping.push(ranking);
        break;
      case "last-resort":
        lastResort.push(ranking);
        break;
      case "refused":
        refused.push(ranking);
        break;
    }
  }
  const usable = [...full, ...ramping];
  const order = usable.length > 0 ? usable : lastResort;
  const unused = usable.length > 0 ? [...lastResort, ...refused] : refused;
  return [
    ...order.map((ranking, index) => ranked(ranking, index === 0 ? "chosen" : "standby")),
    ...unused.map((ranking) => ranked(ranking, "refused")),
  ];
}

interface Ranking {
  readonly zone: Zone;
  readonly kilometres: number;
  readonly reason: string;
}

interface Standing {
  readonly kind: "usable" | "ramping" | "last-resort" | "refused";
  readonly reason: string;
}

/** What this gateway's own connections say comes first: nothing overrules a cluster that refuses or stalls them. */
function judge(cluster: ClusterSnapshot, random: Random): Standing {
  if (cluster.pings === "absent") return { kind: "refused", reason: "no agent of it is known" };
  if (cluster.pings === "avoid")
    return { kind: "refused", reason: "it does not answer this gateway's pings" };
  if (cluster.isTripped) return { kind: "refused", reason: "the circuit breaker to it is open" };

  const against = verdictAgainst(cluster);
  if (against !== undefined)
    return { kind: cluster.pings === "good" ? "last-resort" : "refused", reason: against };
  if (cluster.weightPercent < 100 && random.next() * 100 >= cluster.weightPercent)
    return { kind: "ramping", reason: `it takes ${cluster.weightPercent} % while it ramps up` };
  return { kind: "usable", reason: "up" };
}

function verdictAgainst({ state, isOverlaid }: ClusterSnapshot): string | undefined {
  if (state === "unseen") return "no zone has reached it yet";
  if (state === "down") return "the federation's verdict is down";
  if (isOverlaid) return "fresh evidence of two zones holds it to be down";
  return undefined;
}

function homeOnly(
  { cluster, kilometres }: { readonly cluster: ClusterSnapshot; readonly kilometres: number },
  index: number,
): RankedCluster {
  const ranking = { zone: cluster.zone, kilometres };
  return index === 0
    ? ranked({ ...ranking, reason: "the nearest; failover is off" }, "chosen")
    : ranked({ ...ranking, reason: "failover is off" }, "refused");
}

const ranked = (ranking: Ranking, decision: RankedCluster["decision"]): RankedCluster => ({
  zone: ranking.zone,
  distanceKilometres: Math.round(ranking.kilometres),
  decision,
  reason: ranking.reason,
});

const byName = (
  one: { readonly cluster: ClusterSnapshot },
  other: { readonly cluster: ClusterSnapshot },
): number => (one.cluster.zone.clusterId < other.cluster.zone.clusterId ? -1 : 1);
