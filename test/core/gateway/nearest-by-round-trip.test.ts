import assert from "node:assert/strict";
import { test } from "node:test";
import { createNearestZone } from "../../../gateway/core/nearest-by-round-trip.ts";
import { apSouth, euWest, threeZones, usEast } from "./zones.ts";

interface Case {
  readonly name: string;
  /** Round trips to eu-west (the gateway's own), us-east and ap-south, second by second. */
  readonly seconds: readonly (readonly (number | undefined)[])[];
  readonly expected: string;
}
const cases: readonly Case[] = [
  { name: "the gateway's own zone while nothing is measured", seconds: [[]], expected: "eu-west" },
  { name: "its own among equals", seconds: [[0.4, 0.3, 0.3]], expected: "eu-west" },
  { name: "its own where another is hardly nearer", seconds: [[20, 11, 90]], expected: "eu-west" },
  { name: "another that is clearly nearer", seconds: [[80, 12, 90]], expected: "us-east" },
  {
    name: "ten milliseconds more do not count on a long way",
    seconds: [[150, 138, 190]],
    expected: "eu-west",
  },
  {
    name: "what was chosen stays while it is about as near",
    seconds: [
      [80, 12, 90],
      [80, 20, 13],
    ],
    expected: "us-east",
  },
  {
    name: "its own again as soon as that is no farther",
    seconds: [
      [80, 12, 90],
      [11, 12, 90],
    ],
    expected: "eu-west",
  },
  {
    name: "a cluster that falls silent takes its callers nowhere",
    seconds: [
      [80, 12, 90],
      [80, undefined, 90],
    ],
    expected: "us-east",
  },
  { name: "nor does its own", seconds: [[undefined, 12, 90]], expected: "eu-west" },
];

for (const { name, seconds, expected } of cases)
  test(`an unlocated caller is near ${name}`, () => {
    let now: Case["seconds"][number] = [];
    const nearest = createNearestZone(
      threeZones,
      euWest,
      (clusterId) => now[[euWest, usEast, apSouth].findIndex((one) => one.clusterId === clusterId)],
    );
    let last = euWest;
    for (const [second, measured] of seconds.entries()) {
      now = measured;
      last = nearest(second * 1_000);
    }
    assert.equal(last.name, expected);
  });
