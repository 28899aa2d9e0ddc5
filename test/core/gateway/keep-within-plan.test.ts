import assert from "node:assert/strict";
import { test } from "node:test";
import { FILL_MAX } from "#lib/plan/fill-clusters.ts";
import { ANYWHERE, classKey, type Tier } from "#lib/plan/placement-class.ts";
import {
  type Crowd,
  isBeyondPlan,
  isCrowded,
  type PlannedCrowd,
  roomOf,
} from "../../../gateway/core/keep-within-plan.ts";
import { orderClusters } from "../../../gateway/core/order-clusters.ts";
import { HEALTHY } from "./healthy-cluster.ts";
import { euWest, usEast } from "./zones.ts";

const NOW_MS = 10_000;
const clusters = [{ clusterId: "eu-west-1", share: 0.5 }];
const shedding = (critical: number, normal: number, batch: number): PlannedCrowd["shares"] => ({
  critical: { clusters, shed: critical },
  normal: { clusters, shed: normal },
  batch: { clusters, shed: batch },
});
const never = Number.NEGATIVE_INFINITY;
/** With so many calls in flight of each tier that is named, most important first. */
const crowd = (
  [critical = 0, normal = 0, batch = 0]: readonly number[],
  shed: Partial<Crowd["shedAtMs"]> = {},
): Crowd => ({
  cells: {
    critical: { inFlight: critical },
    normal: { inFlight: normal },
    batch: { inFlight: batch },
  },
  shedAtMs: { critical: never, normal: never, batch: never, ...shed },
});

const cases: readonly {
  readonly name: string;
  readonly tier: Tier;
  readonly shares: PlannedCrowd["shares"];
  readonly crowd: Crowd;
  readonly isShed: boolean;
}[] = [
  {
    name: "a tier that fits is let in, whatever is in flight",
    tier: "critical",
    shares: shedding(0, 0.5, 1),
    crowd: crowd([999, 999, 999]),
    isShed: false,
  },
  {
    name: "one that does not fit is let in up to the room and what may wait for it",
    tier: "batch",
    shares: shedding(0, 0, 1),
    crowd: crowd([10, 20, 19]),
    isShed: false,
  },
  {
    name: "and not beyond",
    tier: "batch",
    shares: shedding(0, 0, 0.1),
    crowd: crowd([10, 20, 20]),
    isShed: true,
  },
  {
    name: "calls of lower tiers keep nobody out",
    tier: "normal",
    shares: shedding(0, 0.5, 1),
    crowd: crowd([10, 39, 999]),
    isShed: false,
  },
  {
    name: "those of higher tiers do",
    tier: "normal",
    shares: shedding(0, 0.5, 1),
    crowd: crowd([11, 39]),
    isShed: true,
  },
  {
    name: "a tier gets nothing while a higher one is shed",
    tier: "batch",
    shares: shedding(0, 0.5, 1),
    crowd: crowd([], { normal: NOW_MS - 499 }),
    isShed: true,
  },
  {
    name: "but not for ever",
    tier: "batch",
    shares: shedding(0, 0.5, 1),
    crowd: crowd([], { normal: NOW_MS - 500 }),
    isShed: false,
  },
  {
    name: "nor while a lower one is",
    tier: "normal",
    shares: shedding(0, 0.5, 1),
    crowd: crowd([], { batch: NOW_MS }),
    isShed: false,
  },
];
for (const { name, tier, shares, crowd, isShed } of cases)
  test(name, () => {
    assert.equal(isBeyondPlan(tier, { shares, roomCalls: 20 }, crowd, NOW_MS), isShed);
  });

test("a crowd that the plan has no count of is let in: the clusters' queues bound it", () => {
  const planned = { shares: shedding(1, 1, 1), roomCalls: undefined };
  assert.equal(isBeyondPlan("batch", planned, crowd([99, 99, 99]), NOW_MS), false);
});

test("the room is what the plan carries and the reserve above it, shared by workers", () => {
  const origins = { "eu-west": { critical: 10, normal: 20, batch: 100 } };
  const demand = [{ ...ANYWHERE, regions: [], origins }];
  const key = classKey(ANYWHERE);
  const room = (origin: string, gateways: number) =>
    roomOf(demand, key, origin, shedding(0, 0.5, 1), gateways);
  assert.equal(room("eu-west", 1), 20 / FILL_MAX);
  assert.equal(room("eu-west", 2), 10 / FILL_MAX);
  assert.equal(room("us-east", 1), undefined);
  assert.equal(roomOf(demand, "eu/nearest", "eu-west", shedding(0, 0, 1), 1), undefined);
});

const healthy = { ...HEALTHY, inFlight: 9 };
const queueing = { kind: "queue", inFlight: 9, limit: 16 } as const;
const free = { kind: "room" } as const;

const places: readonly (readonly [
  name: string,
  shares: PlannedCrowd["shares"],
  rooms: readonly [typeof queueing | typeof free, typeof queueing | typeof free],
  chosen: string,
])[] = [
  ["without a crowd calls wait at home", shedding(0, 0, 0), [queueing, free], "eu-west-1"],
  ["in a crowd a free slot goes before a queue", shedding(0, 0, 1), [queueing, free], "us-east-1"],
  ["where none is free, they wait", shedding(0, 0, 1), [queueing, queueing], "eu-west-1"],
];
for (const [name, shares, [home, other], chosen] of places)
  test(name, () => {
    const snapshots = [
      { ...healthy, zone: euWest, room: home },
      { ...healthy, zone: usEast, room: other },
    ];
    const preference = {
      originZone: "eu-west",
      clusters: [{ clusterId: "eu-west-1", share: 1 }],
      isCrowded: isCrowded({ shares, roomCalls: 20 }),
      isSteady: false,
    };
    const ranking = orderClusters(snapshots, euWest, "on", preference, { next: () => 0 });
    assert.equal(ranking.find(({ decision }) => decision === "chosen")?.zone.clusterId, chosen);
  });
