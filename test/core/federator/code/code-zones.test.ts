import assert from "node:assert/strict";
import { test } from "node:test";
import { type CodeHolder, zonesWithCode } from "../../../../federator/core/code/code-zones.ts";

const directory = (zone: string): CodeHolder => ({
  zone,
  place: { id: `directory of ${zone}`, zonesHeld: [zone] },
});
const bucket = (zone: string, zonesHeld: string[], id = "bucket"): CodeHolder => ({
  zone,
  place: { id, zonesHeld },
});

interface Case {
  readonly name: string;
  readonly holders: readonly CodeHolder[];
  readonly residency?: readonly string[];
  readonly zones: readonly string[];
}
const cases: Case[] = [
  { name: "nobody holds it", holders: [], zones: [] },
  {
    name: "each zone's directory counts for itself, in the residency's order",
    holders: [directory("us"), directory("eu")],
    zones: ["eu", "us"],
  },
  {
    name: "a holder outside the residency counts for nothing",
    holders: [directory("us"), directory("eu")],
    residency: ["eu"],
    zones: ["eu"],
  },
  {
    name: "a bucket that is replicated counts for the zones it lies in, whoever was asked",
    holders: [bucket("ap", ["eu", "us"])],
    zones: ["eu", "us"],
  },
  {
    name: "a bucket that each zone takes for its own is one zone, not three",
    holders: [bucket("eu", ["eu"]), bucket("us", ["us"]), bucket("ap", ["ap"])],
    zones: ["ap"],
  },
  {
    name: "a bucket that also lies outside the residency counts for nothing",
    holders: [bucket("eu", ["eu", "us"])],
    residency: ["eu"],
    zones: [],
  },
  {
    name: "two buckets are two places",
    holders: [bucket("eu", ["eu"], "one"), bucket("us", ["us"], "two")],
    zones: ["eu", "us"],
  },
  {
    name: "a directory beside a bucket of the same zone adds nothing",
    holders: [directory("eu"), bucket("us", ["eu"])],
    zones: ["eu"],
  },
];
for (const { name, holders, residency = ["eu", "us", "ap"], zones } of cases)
  test(name, () => assert.deepEqual(zonesWithCode(holders, residency), zones));
