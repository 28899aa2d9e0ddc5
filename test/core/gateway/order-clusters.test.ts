import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { permittedZones } from "#lib/residency.ts";
import type { Preference } from "../../../gateway/core/draw-cluster.ts";
import {
  type ClusterSnapshot,
  isOpenEverywhere,
  orderClusters,
} from "../../../gateway/core/order-clusters.ts";
import { HEALTHY } from "./healthy-cluster.ts";
import { apSouth, euWest, threeZones, usEast } from "./zones.ts";

const healthy = (zone: ClusterSnapshot["zone"]): ClusterSnapshot => ({
  ...HEALTHY,
  zone,
  room: { kind: "room" },
  inFlight: 0,
});
const eu = healthy(euWest);
const us = healthy(usEast);
const ap = healthy(apSouth);
const failing = (cluster: ClusterSnapshot, forMs: number): ClusterSnapshot => ({
  ...cluster,
  circuit: { kind: "open", forMs },
});
const full = (cluster: ClusterSnapshot): ClusterSnapshot => ({
  ...cluster,
  room: { kind: "full", inFlight: 32, limit: 32 },
});
const draw = (value: number) => ({ next: () => value });
const preference = (shares: Case["shares"]): Preference | undefined =>
  shares && {
    originZone: "eu-west",
    isSteady: false,
    isCrowded: false,
    clusters: [
      { clusterId: "eu-west-1", share: shares[0] },
      { clusterId: "us-east-1", share: shares[1] },
    ],
  };

interface Case {
  readonly name: string;
  readonly clusters: readonly ClusterSnapshot[];
  /** Usable clusters in order, seen from Dublin. */
  readonly order: readonly string[];
  /** The plan's shares for eu-west's calls, of eu-west-1 and us-east-1. */
  readonly shares?: readonly [eu: number, us: number];
  readonly draw?: number;
  readonly failover?: "off";
}
const cases: readonly Case[] = [
  {
    name: "nearest first",
    clusters: [ap, us, eu],
    order: ["eu-west-1", "us-east-1", "ap-south-1"],
  },
  {
    name: "a verdict of down takes a cluster out",
    clusters: [{ ...eu, state: "down" }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "so does not having been seen",
    clusters: [{ ...eu, state: "unseen" }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "so does the zone's overlay",
    clusters: [{ ...eu, isOverlaid: true }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "so do this gateway's own pings",
    clusters: [{ ...eu, pings: "avoid" }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "one that is late comes after what is not",
    clusters: [{ ...eu, pings: "late" }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "and is used where there is nothing else",
    clusters: [
      { ...eu, pings: "late" },
      { ...us, pings: "avoid" },
    ],
    order: ["eu-west-1"],
  },
  {
    name: "so does an open breaker",
    clusters: [{ ...eu, isTripped: true }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "so does not knowing its agent",
    clusters: [{ ...eu, pings: "absent" }, us, ap],
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "before the first ping the table is believed",
    clusters: [{ ...eu, pings: "unknown" }, us],
    order: ["eu-west-1", "us-east-1"],
  },
  {
    name: "a share is drawn",
    clusters: [eu, us, ap],
    shares: [0.7, 0.3],
    draw: 0.69,
    order: ["eu-west-1", "us-east-1", "ap-south-1"],
  },
  {
    name: "and the draw beyond it goes to the next, with the nearest first to stand by",
    clusters: [eu, us, ap],
    shares: [0.7, 0.3],
    draw: 0.71,
    order: ["us-east-1", "eu-west-1", "ap-south-1"],
  },
  {
    name: "what a lost cluster's share was goes to those that have one",
    clusters: [{ ...eu, pings: "avoid" }, us, ap],
    shares: [0.7, 0.3],
    draw: 0,
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "where the plan has no room at all, the nearest stays the first",
    clusters: [eu, us],
    shares: [0, 0],
    draw: 0.99,
    order: ["eu-west-1", "us-east-1"],
  },
  {
    name: "a ramping cluster stands by behind the others",
    clusters: [{ ...eu, weightPercent: 10 }, us, ap],
    order: ["us-east-1", "ap-south-1", "eu-west-1"],
  },
  {
    name: "a ramping cluster alone takes all",
    clusters: [{ ...eu, weightPercent: 10 }],
    draw: 0.9,
    order: ["eu-west-1"],
  },
  {
    name: "a draining cluster gets no new calls",
    clusters: [{ ...eu, mode: "draining" }, us],
    order: ["us-east-1"],
  },
  {
    name: "but is the last resort",
    clusters: [
      { ...eu, mode: "draining" },
      { ...us, state: "down", pings: "avoid" },
    ],
    order: ["eu-west-1"],
  },
  {
    name: "a quarantined cluster is not even that",
    clusters: [{ ...eu, mode: "quarantined" }],
    order: [],
  },
  {
    name: "a cluster that waits for its release stays out while anything else is usable",
    clusters: [{ ...eu, awaitsRelease: true }, us],
    order: ["us-east-1"],
  },
  {
    name: "a cluster of weight 0 takes nothing but the last calls",
    clusters: [{ ...eu, weightPercent: 0 }, us],
    draw: 0,
    order: ["us-east-1", "eu-west-1"],
  },
  {
    name: "with all verdicts down, own good pings are the last resort",
    clusters: [
      { ...eu, state: "down" },
      { ...us, isOverlaid: true },
    ],
    order: ["eu-west-1", "us-east-1"],
  },
  {
    name: "but never towards a cluster that stalls this gateway",
    clusters: [
      { ...eu, state: "down", pings: "avoid" },
      { ...us, state: "down", pings: "unknown" },
    ],
    order: [],
  },
  {
    name: "a last resort stays out while anything else is usable",
    clusters: [
      { ...eu, state: "down" },
      { ...us, weightPercent: 10 },
    ],
    draw: 0.9,
    order: ["us-east-1"],
  },
  {
    name: "a cluster that fails this function gets none of its calls",
    clusters: [failing(eu, 3_000), us, ap],
    shares: [0.7, 0.3],
    draw: 0,
    order: ["us-east-1", "ap-south-1"],
  },
  {
    name: "one whose circuit is on trial does",
    clusters: [{ ...eu, circuit: { kind: "on-trial" } }, us],
    order: ["eu-west-1", "us-east-1"],
  },
  {
    name: "where all fail it, the one that is tried again first is the least bad",
    clusters: [failing(eu, 40_000), failing(us, 3_000), failing(ap, 9_000)],
    order: ["us-east-1", "ap-south-1", "eu-west-1"],
  },
  {
    name: "it is still better than one that an operator drains",
    clusters: [failing(eu, 40_000), { ...us, mode: "draining" }],
    order: ["eu-west-1", "us-east-1"],
  },
  {
    name: "but not than one that no ping comes back from",
    clusters: [failing(eu, 40_000), { ...us, pings: "avoid" }],
    order: ["eu-west-1"],
  },
  {
    name: "a full cluster is passed over, and never the last resort",
    clusters: [full(eu), us, full(ap)],
    order: ["us-east-1"],
  },
  { name: "where all are full the call has nowhere to go", clusters: [full(eu)], order: [] },
  { name: "nothing permitted, nothing chosen", clusters: [], order: [] },
  {
    name: "without failover the nearest is used whatever is known",
    clusters: [{ ...eu, state: "down", pings: "avoid", isTripped: true, isOverlaid: true }, us],
    failover: "off",
    order: ["eu-west-1"],
  },
];

for (const { name, clusters, order, ...options } of cases)
  test(name, () => {
    const ranking = orderClusters(
      clusters,
      euWest,
      options.failover ?? "on",
      preference(options.shares),
      draw(options.draw ?? 0),
    );
    const usable = ranking.filter(({ decision }) => decision !== "refused");
    assert.deepEqual(
      usable.map(({ zone }) => zone.clusterId),
      order,
    );
    assert.deepEqual(
      usable.map(({ decision }) => decision),
      order.map((_, index) => (index === 0 ? "chosen" : "standby")),
    );
    assert.equal(ranking.length, clusters.length, "each cluster is accounted for");
    assert.ok(ranking.every(({ reason }) => reason !== ""));
  });

const everywhere: readonly (readonly [
  name: string,
  clusters: readonly ClusterSnapshot[],
  isOpenEverywhere: boolean,
])[] = [
  ["all fail the function", [failing(eu, 1), failing(us, 1)], true],
  ["one does not", [failing(eu, 1), us], false],
  ["one is on trial", [failing(eu, 1), { ...us, circuit: { kind: "on-trial" } }], false],
  ["the only other one is lost", [failing(eu, 1), { ...us, pings: "avoid" }], true],
  ["the only other one is drained", [failing(eu, 1), { ...us, mode: "draining" }], true],
  ["all are lost", [{ ...eu, pings: "avoid" }], false],
  ["all are full", [full(eu)], false],
  ["there is none", [], false],
];

for (const [name, clusters, expected] of everywhere)
  test(`where ${name}, a fallback ${expected ? "answers" : "does not answer"}`, () => {
    assert.equal(isOpenEverywhere(clusters), expected);
  });

const residency: readonly (readonly [regions: string[], zones: string[]])[] = [
  [[], ["eu-west", "us-east", "ap-south"]],
  [["eu"], ["eu-west"]],
  [["us-east"], ["us-east"]],
  [
    ["eu", "in"],
    ["eu-west", "ap-south"],
  ],
  [["ch"], []],
  [["EU"], []],
];

for (const [regions, zones] of residency)
  test(`a placement of [${regions.join(", ")}] permits [${zones.join(", ")}]`, () => {
    assert.deepEqual(
      permittedZones(regions, threeZones).map(({ name }) => name),
      zones,
    );
  });

test("no state of health makes a call leave its placement", () => {
  const state = fc.record({
    state: fc.constantFrom("up" as const, "down" as const, "unseen" as const),
    mode: fc.constantFrom("in-service" as const, "draining" as const, "quarantined" as const),
    weightPercent: fc.integer({ min: 0, max: 100 }),
    awaitsRelease: fc.boolean(),
    isOverlaid: fc.boolean(),
    pings: fc.constantFrom(
      "good" as const,
      "unknown" as const,
      "avoid" as const,
      "absent" as const,
    ),
    isTripped: fc.boolean(),
    circuit: fc.constantFrom(
      { kind: "closed" } as const,
      { kind: "on-trial" } as const,
      { kind: "open", forMs: 5_000 } as const,
    ),
    room: fc.constantFrom(
      { kind: "room" } as const,
      { kind: "full", inFlight: 32, limit: 32 } as const,
    ),
    inFlight: fc.nat(100),
  });
  const origin = fc.record({
    latitudeDegrees: fc.integer({ min: -90, max: 90 }),
    longitudeDegrees: fc.integer({ min: -180, max: 180 }),
  });
  fc.assert(
    fc.property(
      fc.tuple(state, state, state),
      fc.subarray(["eu", "us", "in", "eu-west", "us-east", "mars"]),
      origin,
      fc.constantFrom("on" as const, "off" as const),
      fc.option(fc.tuple(fc.double({ min: 0, max: 1 }), fc.double({ min: 0, max: 1 })), {
        nil: undefined,
      }),
      fc.integer({ min: 0, max: 99 }),
      (states, regions, from, failover, shares, chance) => {
        const clusters = permittedZones(regions, threeZones).map((zone) => {
          const own = states[threeZones.indexOf(zone)];
          assert.ok(own !== undefined);
          return { zone, ...own };
        });
        const ranking = orderClusters(
          clusters,
          from,
          failover,
          preference(shares),
          draw(chance / 100),
        );
        for (const { zone, decision } of ranking) {
          if (decision === "refused" || regions.length === 0) continue;
          assert.ok(regions.includes(zone.region) || regions.includes(zone.jurisdiction));
        }
        assert.ok(ranking.filter(({ decision }) => decision === "chosen").length <= 1);
        // Nor does any state of its circuits alone leave a call without a cluster.
        const some = clusters.map((one) => ({ ...one, circuit: { kind: "closed" } as const }));
        const choices = (all: typeof ranking) => all.some((one) => one.decision === "chosen");
        assert.equal(
          choices(ranking),
          choices(orderClusters(some, from, failover, preference(shares), draw(0))),
        );
      },
    ),
    { numRuns: 100_000 },
  );
});
