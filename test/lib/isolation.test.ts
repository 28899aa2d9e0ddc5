import assert from "node:assert/strict";
import { test } from "node:test";
import type { IsolationLevel } from "#lib/contracts/isolation.ts";
import { type IsolationWish, isProved, requiredLevel } from "#lib/isolation.ts";
import { classKey, classOf } from "#lib/plan/placement-class.ts";
import type { PlanInputs } from "#lib/plan/plan-inputs.ts";
import { planShares } from "#lib/plan/plan-shares.ts";
import { threeZones } from "../core/gateway/zones.ts";

type Levels = readonly [
  IsolationLevel | undefined,
  IsolationLevel | undefined,
  IsolationLevel | undefined,
];
interface Case {
  readonly name: string;
  readonly wish: IsolationWish;
  readonly required: IsolationLevel;
  /** Of eu-west-1, us-east-1 and ap-south-1. */
  readonly proved: Levels;
  readonly placed: readonly string[];
}

const ALL = ["eu-west-1", "us-east-1", "ap-south-1"];
const cases: readonly Case[] = [
  {
    name: "who asks for nothing runs where nothing is proved",
    wish: {},
    required: "L0",
    proved: [undefined, undefined, undefined],
    placed: ALL,
  },
  {
    name: "L0 asks for nothing",
    wish: { minIsolation: "L0" },
    required: "L0",
    proved: [undefined, "L0", "L2"],
    placed: ALL,
  },
  {
    name: "what is not proved yet is not there",
    wish: { minIsolation: "L1" },
    required: "L1",
    proved: [undefined, "L1", undefined],
    placed: ["us-east-1"],
  },
  {
    name: "a higher level has the lower ones",
    wish: { minIsolation: "L2" },
    required: "L2",
    proved: ["L1", "L2", "L3"],
    placed: ["us-east-1", "ap-south-1"],
  },
  {
    name: "nobody may be good enough",
    wish: { minIsolation: "L5" },
    required: "L5",
    proved: ["L4", "L4", "L0"],
    placed: [],
  },
  {
    name: "outbound asks for nothing",
    wish: { network: "outbound" },
    required: "L0",
    proved: ["L0", undefined, "L1"],
    placed: ALL,
  },
  {
    name: "no network needs a namespace",
    wish: { network: "none" },
    required: "L2",
    proved: ["L1", "L2", undefined],
    placed: ["us-east-1"],
  },
  {
    name: "no network does not lower what is asked for",
    wish: { network: "none", minIsolation: "L3" },
    required: "L3",
    proved: ["L3", "L2", "L2"],
    placed: ["eu-west-1"],
  },
];

for (const { name, wish, required, proved, placed } of cases)
  test(name, () => {
    assert.equal(requiredLevel(wish), required);
    const inputs: PlanInputs = {
      zones: threeZones,
      clusters: threeZones.map(({ clusterId }, index) => ({
        clusterId,
        isInService: true,
        rampPercent: 100,
        capacitySlots: undefined,
        isolationLevel: proved[index],
      })),
      demand: [],
      shifts: [],
      awaitsFailback: [],
    };
    const placement = { regions: [], tier: "normal", clustersMin: 1 } as const;
    const shares = planShares(
      inputs,
      classOf({ placement: { ...placement, regions: [] }, ...wish }),
      new Set(),
    );
    for (const origin of shares.values())
      assert.deepEqual(
        origin.normal.clusters.map(({ clusterId }) => clusterId).toSorted(),
        placed.toSorted(),
      );
    assert.deepEqual(
      threeZones
        .filter((_, index) => isProved(required, proved[index]))
        .map(({ clusterId }) => clusterId),
      placed,
    );
  });

test("who asks for nothing is of the class that federators and gateways of the version before know", () => {
  const placement = { regions: [], tier: "normal" as const, clustersMin: 1 };
  assert.equal(classKey(classOf({ placement, minIsolation: "L0" })), "/nearest/automatic");
  assert.equal(classKey(classOf({ placement, minIsolation: "L2" })), "/nearest/automatic/L2");
});
