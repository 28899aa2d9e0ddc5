import type { PlanRoute, RouteEntry } from "#lib/contracts/route-table.ts";
import type { Placed, Tier } from "#lib/plan/placement-class.ts";
import { TIERS } from "#lib/plan/placement-class.ts";
import { totalDemand } from "#lib/plan/sum-demand.ts";
import type { Random } from "#lib/ports/random.ts";
import { type ClusterRooms, createClusterRooms } from "../../../../gateway/core/cluster-rooms.ts";
import {
  isBeyondPlan,
  isCrowded,
  type PlannedCrowd,
} from "../../../../gateway/core/keep-within-plan.ts";
import { createCallMeter } from "../../../../gateway/core/measure-calls.ts";
import { orderClusters } from "../../../../gateway/core/order-clusters.ts";
import { createSharePlanner } from "../../../../gateway/core/share-planner.ts";
import { HEALTHY } from "../healthy-cluster.ts";
import { euWest, threeZones } from "../zones.ts";
import { sharedCluster } from "./shared-cluster.ts";
import { type VirtualTime, virtualTime } from "./virtual-time.ts";

/** What became of one call. */
export interface PlayedCall {
  readonly tier: Tier;
  readonly atMs: number;
  /** Undefined: it was turned away. */
  readonly endedAtMs: number | undefined;
}

export interface CrowdOptions {
  /** Of each of three clusters. */
  readonly slots: number;
  readonly callMs: number;
  readonly untilMs: number;
  /** Calls offered per second of a tier. */
  readonly perSecond: (tier: Tier, nowMs: number) => number;
  readonly random: Random;
}

/** A report a second, and the table with the plan made of it as much later. */
const REPORT_MS = 1_000;
const PLAN_AGE_MS = 1_000;
const ORIGIN = euWest.name;

/** One gateway's decisions, as its stages put them together, in front of clusters in which a function of each tier shares the places. */
export function playCrowd(options: CrowdOptions): readonly PlayedCall[] {
  const { slots, callMs, untilMs, perSecond, random } = options;
  const time = virtualTime();
  const planner = createSharePlanner(threeZones);
  const meter = createCallMeter(0);
  const rooms = createClusterRooms(() => 1);
  const machine = { starts: 0 };
  const clusters = new Map(
    threeZones.map(({ clusterId }) => [clusterId, sharedCluster(slots, time, machine)]),
  );
  const calls: PlayedCall[] = [];
  let entries = tableWith(slots, {});

  const arrive = (tier: Tier): void => {
    const atMs = time.nowMs();
    const placed = PLACED[tier];
    const kind = { placed: planner.classOf(placed), originZone: ORIGIN, tier };
    const planned = planner.crowd((key) => entries.get(key), placed, new Set(), ORIGIN);
    const turnedAway = (): void => void calls.push({ tier, atMs, endedAtMs: undefined });
    if (planned !== undefined && isBeyondPlan(tier, planned, meter.crowd(kind), atMs)) {
      meter.shed(kind, atMs);
      return turnedAway();
    }
    const end = meter.begin(kind, atMs);
    const clusterId = choose(tier, planned, rooms, slots, time, random);
    const cluster = clusters.get(clusterId ?? "");
    if (clusterId === undefined || cluster === undefined) {
      end(atMs, "turned-away");
      return turnedAway();
    }
    const leave = rooms.begin(clusterId, 1);
    cluster.serve(tier, callMs * (0.9 + 0.2 * random.next()), (waitedMs) => {
      leave();
      end(time.nowMs(), waitedMs);
      calls.push({ tier, atMs, endedAtMs: time.nowMs() });
    });
  };

  const report = (): void => {
    const demand = { [ORIGIN]: totalDemand(meter.endInterval(time.nowMs())) };
    time.in(PLAN_AGE_MS, () => {
      entries = tableWith(slots, demand);
    });
    time.in(REPORT_MS, report);
  };
  time.in(REPORT_MS, report);
  while (time.nowMs() < untilMs) {
    for (const tier of arrivals(perSecond, time.nowMs(), random)) arrive(tier);
    time.step();
  }
  return calls;
}

function choose(
  tier: Tier,
  planned: PlannedCrowd | undefined,
  rooms: ClusterRooms,
  slots: number,
  time: VirtualTime,
  random: Random,
): string | undefined {
  const snapshots = threeZones.map((zone) => ({
    ...HEALTHY,
    zone,
    room: rooms.roomFor(zone.clusterId, tier, slots, time.nowMs()),
    inFlight: rooms.state(zone.clusterId).inFlight,
  }));
  const preference = planned && {
    originZone: ORIGIN,
    clusters: planned.shares[tier].clusters,
    isCrowded: isCrowded(planned),
    isSteady: false,
  };
  const ranking = orderClusters(snapshots, euWest, "on", preference, random);
  return ranking.find(({ decision }) => decision === "chosen")?.zone.clusterId;
}

/** The calls of one millisecond, in any order. */
function arrivals(
  perSecond: CrowdOptions["perSecond"],
  nowMs: number,
  random: Random,
): readonly Tier[] {
  const drawn: { tier: Tier; mark: number }[] = [];
  for (const tier of TIERS)
    for (let expected = perSecond(tier, nowMs) / 1_000; expected > 0; expected -= 1)
      if (random.next() < expected) drawn.push({ tier, mark: random.next() });
  return drawn.toSorted((one, other) => one.mark - other.mark).map(({ tier }) => tier);
}

const placedIn = (tier: Tier): Placed => ({ placement: { regions: [], tier, clustersMin: 1 } });
const PLACED = {
  critical: placedIn("critical"),
  normal: placedIn("normal"),
  batch: placedIn("batch"),
};

function tableWith(slots: number, demand: PlanRoute["demand"]): ReadonlyMap<string, RouteEntry> {
  const capacitySlots = Object.fromEntries(threeZones.map(({ clusterId }) => [clusterId, slots]));
  return new Map<string, RouteEntry>([
    ["plan", { kind: "plan", capacitySlots, demand, awaitsFailback: [], shifts: [] }],
    ...threeZones.map(({ clusterId }): [string, RouteEntry] => [
      `cluster/${clusterId}`,
      { kind: "cluster", clusterId, state: "up", weightPercent: 100 },
    ]),
  ]);
}
