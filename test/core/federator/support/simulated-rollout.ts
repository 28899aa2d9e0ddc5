import type { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { FunctionRoute } from "#lib/contracts/route-table.ts";
import { LATENCY_CLASSES_MS, type RolloutArm } from "#lib/contracts/zone-report.ts";
import type { Random } from "#lib/ports/random.ts";
import {
  type RolloutPlan,
  planRollout,
} from "../../../../federator/core/functions/plan-rollout.ts";
import {
  canaryPercent,
  movingZone,
  stepName,
  zonePercents,
} from "../../../../federator/core/functions/rollout-steps.ts";
import { chooseVersion } from "../../../../gateway/core/choose-version.ts";
import { createArmCounters } from "../../../../gateway/core/count-arms.ts";
import { routeTo } from "../../gateway/routes.ts";

/** How a version behaves. */
export interface Behaviour {
  readonly errorRate: number;
  /** The median; latencies are log-normal around it. */
  readonly latencyMs: number;
}

export interface SimulatedRollout {
  readonly end: RolloutPlan["kind"];
  readonly record: RolloutRecord;
  readonly calls: number;
  /** How many of them the new version got. */
  readonly canaryCalls: number;
}

export const ROLLOUT: RolloutRecord = {
  id: "ro-0123456789abcdef",
  tenant: "demo",
  functionName: "hello",
  alias: "live",
  fromVersion: 1,
  toVersion: 2,
  state: "running",
  zones: ["eu-west", "us-east", "ap-south"],
  stepPercents: [5, 25, 50, 100],
  zoneIndex: 0,
  stepIndex: 0,
  stepMsMin: 5_000,
  stepCallsMin: 20,
  reason: "",
  startedBy: "nobody",
  startedAtMs: 0,
  changedAtMs: 0,
};

/** Calls enter the zone that moves, are given a version and counted as gateways do it, and the plan is asked each second. */
export function simulateRollout(
  begin: RolloutRecord,
  { control, canary }: { readonly control: Behaviour; readonly canary: Behaviour },
  callsPerSecond: number,
  random: Random,
): SimulatedRollout {
  const counters = createArmCounters();
  let record = begin;
  let route = routeOf(record);
  let stepForMs = 0;
  let calls = 0;
  let canaryCalls = 0;
  for (let second = 1; second < 10_000; second += 1) {
    const zone = movingZone(record);
    // At 100 % there is nothing to compare: as few calls as the step needs say as much as many.
    const isAlone = canaryPercent(record) === 100;
    const callsNow = isAlone ? record.stepCallsMin : callsPerSecond;
    for (let call = 0; call < callsNow; call += 1) {
      const choice = chooseVersion(route, "live", zone, random);
      calls += 1;
      if (choice?.version === record.toVersion) canaryCalls += 1;
      if (choice?.mark === undefined) continue;
      const { errorRate, latencyMs } = choice.mark.arm === "canary" ? canary : control;
      const isError = random.next() < errorRate;
      const tookMs = isError ? undefined : latencyMs * anyOf(SPREAD, random);
      counters.count(choice.mark, { isError, latencyMs: tookMs }, 0);
    }
    stepForMs += isAlone ? record.stepMsMin : 1_000;
    const plan = planRollout(record, { arms: counters.arms(0), stepForMs }, 0);
    if (plan.kind === "wait") continue;
    if (plan.kind !== "go-on") return { end: plan.kind, record: plan.record, calls, canaryCalls };
    if (stepName(plan.record) !== stepName(record)) stepForMs = 0;
    record = plan.record;
    route = routeOf(record);
  }
  return { end: "wait", record, calls, canaryCalls };
}

const routeOf = (record: RolloutRecord): FunctionRoute =>
  routeTo(record.fromVersion, {
    version: record.toVersion,
    percent: 0,
    zonePercent: zonePercents(record),
    rolloutId: record.id,
    step: stepName(record),
  });

/** Mulberry32: small, and good enough to draw calls. */
export function seededRandom(seed: number): Random {
  let state = seed;
  return {
    next: () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}

/** An arm of one step as a gateway reports it. */
export function arm(
  step: string,
  which: RolloutArm["arm"],
  calls: number,
  errors: number,
  latencyClass = 0,
): RolloutArm {
  const latencyCounts = Array.from({ length: LATENCY_CLASSES_MS.length + 1 }, () => 0);
  latencyCounts[latencyClass] = calls - errors;
  return { rolloutId: ROLLOUT.id, step, arm: which, calls, errors, latencyCounts };
}

/** Box and Muller's, one of the two. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

const anyOf = (numbers: readonly number[], random: Random): number =>
  numbers[Math.floor(random.next() * numbers.length)] ?? 1;

/** How far from its median a call takes; drawn once, as drawing a number of this kind costs more than all the rest of a call. */
const SPREAD = Array.from({ length: 10_000 }, (_, index) =>
  Math.exp(0.5 * normal(seededRandom(index))),
);
