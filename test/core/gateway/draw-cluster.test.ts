import assert from "node:assert/strict";
import { test } from "node:test";
import { type Drawable, drawnFirst, type Preference } from "../../../gateway/core/draw-cluster.ts";
import { seededRandom } from "../../simulation/engine/seeded-random.ts";
import { apSouth, euWest, usEast } from "./zones.ts";

/** Next door to eu-west: 20 km. */
const euWestB = { ...euWest, name: "eu-west-b", clusterId: "eu-west-b-1", latitudeDegrees: 53.48 };
const euWestC = { ...euWest, name: "eu-west-c", clusterId: "eu-west-c-1", latitudeDegrees: 53.12 };
const at = (zone: Drawable["zone"], inFlight: number): Drawable => ({ zone, inFlight });
const shares = (...all: readonly (readonly [Drawable["zone"], number])[]): Preference => ({
  originZone: "eu-west",
  isSteady: false,
  isCrowded: false,
  clusters: all.map(([{ clusterId }, share]) => ({ clusterId, share })),
});
const throws = (...values: readonly number[]) => {
  let index = 0;
  return { next: () => values[index++] ?? assert.fail("it is thrown too often") };
};
const half = shares([euWest, 0.5], [euWestB, 0.5]);

interface Case {
  readonly name: string;
  readonly from: readonly Drawable[];
  readonly preference: Preference;
  readonly throws: readonly number[];
  readonly drawn: string;
}
const cases: readonly Case[] = [
  {
    name: "of two neighbours the less busy takes the call",
    from: [at(euWest, 3), at(euWestB, 2)],
    preference: half,
    throws: [0.1, 0.9],
    drawn: "eu-west-b-1",
  },
  {
    name: "of equals the first that was drawn does",
    from: [at(euWest, 2), at(euWestB, 2)],
    preference: half,
    throws: [0.1, 0.9],
    drawn: "eu-west-1",
  },
  {
    name: "the same one twice is no choice",
    from: [at(euWest, 9), at(euWestB, 0)],
    preference: half,
    throws: [0.1, 0.2],
    drawn: "eu-west-1",
  },
  {
    name: "busy is meant for its share",
    from: [at(euWest, 8), at(euWestB, 2)],
    preference: shares([euWest, 0.9], [euWestB, 0.1]),
    throws: [0.1, 0.95],
    drawn: "eu-west-1",
  },
  {
    name: "what lies far apart keeps its share, however busy",
    from: [at(euWest, 90), at(usEast, 0)],
    preference: shares([euWest, 0.75], [usEast, 0.25]),
    throws: [0.1],
    drawn: "eu-west-1",
  },
  {
    name: "a neighbour without a share gets none",
    from: [at(euWest, 90), at(euWestB, 0)],
    preference: shares([euWest, 1], [euWestB, 0]),
    throws: [0.1],
    drawn: "eu-west-1",
  },
  {
    name: "a call with a key or a token goes where its like went",
    from: [at(euWest, 90), at(euWestB, 0)],
    preference: { ...half, isSteady: true },
    throws: [0.1],
    drawn: "eu-west-1",
  },
];
for (const { name, from, preference, drawn, ...rest } of cases)
  test(name, () => {
    const order = drawnFirst(from, preference, throws(...rest.throws));
    assert.equal(order[0]?.zone.clusterId, drawn);
    assert.equal(order.length, from.length);
  });

interface Served {
  readonly p99Ms: number;
  readonly shareOf: (clusterId: string) => number;
}

/** Poisson arrivals at clusters with so many slots, first come first served; a call takes `serviceMs` of its cluster. */
function simulate(
  zones: readonly Drawable["zone"][],
  serviceMs: readonly number[],
  preference: Preference,
): Served {
  const random = seededRandom("two choices");
  const [slots, callsPerSecond, calls] = [16, 3_000, 30_000];
  const freeAtMs = zones.map(() => Array.from({ length: slots }, () => 0));
  const endings: number[][] = zones.map(() => []);
  const latencies: number[] = [];
  const served = new Map<string, number>();
  let nowMs = 0;
  for (let call = 0; call < calls; call += 1) {
    nowMs += (-Math.log(1 - random.next()) * 1_000) / callsPerSecond;
    const from = zones.map((zone, index) => {
      endings[index] = (endings[index] ?? []).filter((endMs) => endMs > nowMs);
      return at(zone, endings[index].length);
    });
    const { zone } = drawnFirst(from, preference, random)[0] ?? assert.fail("one is drawn");
    const index = zones.indexOf(zone);
    const free = freeAtMs[index] ?? [];
    const slot = free.indexOf(Math.min(...free));
    // Service times as functions have them: half of them short, some long.
    const service = (serviceMs[index] ?? 0) * -Math.log(1 - random.next());
    const endMs = Math.max(nowMs, free[slot] ?? 0) + service;
    free[slot] = endMs;
    endings[index]?.push(endMs);
    latencies.push(endMs - nowMs);
    served.set(zone.clusterId, (served.get(zone.clusterId) ?? 0) + 1);
  }
  const sorted = latencies.toSorted((one, other) => one - other);
  return {
    p99Ms: sorted[Math.floor(calls * 0.99)] ?? 0,
    shareOf: (clusterId) => (served.get(clusterId) ?? 0) / calls,
  };
}

test("a slow cluster's neighbours take what it cannot, so that its callers do not queue", (context) => {
  const zones = [euWest, euWestB, euWestC];
  const preference = shares([euWest, 1 / 3], [euWestB, 1 / 3], [euWestC, 1 / 3]);
  // 3,000 calls/s of 8 ms fill half of 48 slots; at 24 ms one of the three can do two thirds of its share.
  const ways = { drawn: { ...preference, isSteady: true }, "less busy": preference };
  const told = Object.entries(ways).map(([way, its]) => {
    const even = simulate(zones, [8, 8, 8], its);
    const slow = simulate(zones, [8, 24, 8], its);
    const figures = [even.p99Ms, slow.p99Ms, slow.shareOf("eu-west-b-1") * 100].map(Math.round);
    context.diagnostic(
      `${way}: p99 even ${figures[0]} ms, slow ${figures[1]} ms, slow share ${figures[2]} %`,
    );
    return { even, slow };
  });
  const [drawn, lessBusy] = told;
  assert.ok(drawn !== undefined && lessBusy !== undefined);
  assert.ok(lessBusy.slow.p99Ms < drawn.slow.p99Ms / 5);
  assert.ok(lessBusy.even.p99Ms < drawn.even.p99Ms * 1.05);
  for (const zone of zones)
    assert.ok(Math.abs(lessBusy.even.shareOf(zone.clusterId) - 1 / 3) < 0.02);
});

test("no cluster gets more than twice its share, and one that is far away gets just that", () => {
  const preference = shares([euWest, 0.6], [euWestB, 0.1], [apSouth, 0.3]);
  const { shareOf } = simulate([euWest, euWestB, apSouth], [8, 1, 8], preference);
  assert.ok(shareOf("eu-west-b-1") < 0.2);
  assert.ok(Math.abs(shareOf("ap-south-1") - 0.3) < 0.02);
});
