import type { Zone } from "#lib/contracts/zone.ts";
import type { GeoPoint } from "#lib/great-circle.ts";
import type { Placed } from "#lib/plan/placement-class.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { LocatedCall } from "../call.ts";
import type { ClusterRooms } from "../core/cluster-rooms.ts";
import type { FunctionCircuits } from "../core/function-circuits.ts";
import { isCrowded, type PlannedCrowd } from "../core/keep-within-plan.ts";
import { findCluster } from "../core/look-up.ts";
import type { FunctionAddress } from "../core/match-route.ts";
import type { Preference } from "../core/draw-cluster.ts";
import {
  type ClusterSnapshot,
  isOpenEverywhere,
  isOutOfReach,
  orderClusters,
  type RankedCluster,
} from "../core/order-clusters.ts";
import { keyedRandom } from "../core/replay-headers.ts";
import type { SharePlanner } from "../core/share-planner.ts";
import type { Agents, Routing } from "../ports.ts";

/** What decides where a call goes. */
export interface CallToRank {
  readonly table: RouteTable;
  /** The manifest of its version. */
  readonly placed: Placed;
  readonly origin: GeoPoint;
  /** The name of the zone nearest to the origin: whose share of the plan the call is part of. */
  readonly originZone: string;
  /** What the circuits know the function by. */
  readonly circuitName: string;
  /** For a call with a key or an affinity token: its like are drawn the same cluster. */
  readonly random?: Random | undefined;
}

export interface ClusterRanking {
  /** For a first attempt: one of the permitted zones' clusters is drawn by the shares of the plan. */
  readonly byShares: (call: CallToRank, permitted: readonly Zone[]) => readonly RankedCluster[];
  /** For a further attempt: nearest first. */
  readonly byDistance: (call: CallToRank, zones: readonly Zone[]) => readonly RankedCluster[];
  /** Whether the function's fallback is to answer, if it has one. Never with `failover` off. */
  readonly isOpenEverywhere: (call: CallToRank, permitted: readonly Zone[]) => boolean;
  /**
   * The plan for such calls, by tier, without what the federation holds to be lost: that one gateway cannot reach a cluster is no
   * reason to shed. Undefined with `failover` off.
   */
  readonly planned: (call: CallToRank) => PlannedCrowd | undefined;
}

export interface RankingPorts {
  readonly zones: readonly Zone[];
  readonly failover: "on" | "off";
  readonly planner: SharePlanner;
  readonly routing: Routing;
  readonly agents: Agents;
  readonly random: Random;
  readonly clock: Clock;
  readonly circuits: FunctionCircuits;
  readonly rooms: ClusterRooms;
}

/** For calls and for explanations of them alike: the table's word, the zone's overlay, this gateway's own experience, the plan. */
export function rankClusters(ports: RankingPorts): ClusterRanking {
  const { zones, failover, planner, routing, random } = ports;
  const preferenceOf = (call: CallToRank, all: ClusterSnapshot[]): Preference => {
    const { table, placed, originZone } = call;
    const lost = new Set(all.filter(isOutOfReach).map(({ zone }) => zone.clusterId));
    const { tier } = placed.placement;
    const planned = planner.crowd((key) => table.entries.get(key), placed, lost, originZone);
    return {
      originZone,
      clusters: planned?.shares[tier].clusters ?? [],
      isCrowded: planned !== undefined && isCrowded(planned),
      isSteady: call.random !== undefined,
    };
  };
  return {
    byShares: (call, permitted) => {
      const all = surveyClusters(zones, call, ports);
      const preference = failover === "on" ? preferenceOf(call, all) : undefined;
      const names = new Set(permitted.map(({ clusterId }) => clusterId));
      const clusters = all.filter(({ zone }) => names.has(zone.clusterId));
      return orderClusters(clusters, call.origin, failover, preference, call.random ?? random);
    },
    byDistance: (call, some) =>
      orderClusters(surveyClusters(some, call, ports), call.origin, failover, undefined, random),
    isOpenEverywhere: (call, permitted) =>
      failover === "on" && isOpenEverywhere(surveyClusters(permitted, call, ports)),
    planned: ({ table, placed, originZone }) => {
      if (failover === "off") return undefined;
      const lost = zones.map(({ clusterId }) => clusterId).filter(routing.isOverlaid);
      const find = (key: string) => table.entries.get(key);
      return planner.crowd(find, placed, new Set(lost), originZone);
    },
  };
}

/** What decides on a call is known once it is located. */
export const toRank = (call: LocatedCall): CallToRank => ({
  table: call.table,
  placed: call.version.manifest,
  origin: call.origin,
  originZone: call.originZone,
  circuitName: circuitName(call.door, call.version.version),
  random: keyedRandom(call.arrival.headers, call.door) ?? drawOf(call.affinityDraw),
});

/** The throw that a caller brings along; undefined: it is thrown anew. */
export const drawOf = (draw: number | undefined): Random | undefined =>
  draw === undefined ? undefined : { next: () => draw };

/** With the version, so that a bad one does not take a good one along. */
export const circuitName = (
  { tenant, functionName }: Pick<FunctionAddress, "tenant" | "functionName">,
  version: number,
): string => `${tenant}/${functionName}@${version}`;

function surveyClusters(
  zones: readonly Zone[],
  { table, placed: { placement }, circuitName }: CallToRank,
  { planner, routing, agents, clock, circuits, rooms }: RankingPorts,
): ClusterSnapshot[] {
  const nowMs = clock.nowMs();
  const { awaitsFailback, clusters } = planner.inputs((key) => table.entries.get(key));
  return zones.map((zone) => {
    const route = findCluster(table.entries, zone.clusterId);
    const { pings, isTripped } = agents.health(zone.clusterId);
    const slots = clusters.find((one) => one.clusterId === zone.clusterId)?.capacitySlots;
    return {
      zone,
      state: route?.state ?? "unseen",
      mode: route?.mode ?? "in-service",
      weightPercent: route?.weightPercent ?? 0,
      awaitsRelease: placement.failback === "manual" && awaitsFailback.includes(zone.clusterId),
      isOverlaid: routing.isOverlaid(zone.clusterId),
      pings,
      isTripped,
      circuit: circuits.standing(zone.clusterId, circuitName, nowMs),
      room: rooms.roomFor(zone.clusterId, placement.tier, slots, nowMs),
      inFlight: rooms.state(zone.clusterId).inFlight,
    };
  });
}
