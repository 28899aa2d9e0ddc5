import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord, RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { RolloutArm } from "#lib/contracts/zone-report.ts";
import type { Compare, Transaction } from "#lib/ports/catalog.ts";
import { type ArmCounts, judgeCanary, type StepArms } from "./judge-canary.ts";
import { canaryPercent, movingZone, stepName } from "./rollout-steps.ts";
import { type Held, modifiedAt, present, put } from "../transactions.ts";

/** In how many of a hundred rollouts of versions that are not worse one may be rolled back, over all zones, steps and tests. */
const FALSE_ALARM_RATE = 0.01;

/** What the leader sees of the step that is in force. */
export interface RolloutSight {
  /** All that the gateways of the zone that moves have counted; undefined while that zone is not heard, which is no news at all. */
  readonly arms: readonly RolloutArm[] | undefined;
  /** For how long this leader has seen the step in force. */
  readonly stepForMs: number;
}

export type RolloutPlan =
  | { readonly kind: "wait" }
  /** Another step, or another reason to wait. */
  | { readonly kind: "go-on"; readonly record: RolloutRecord }
  | { readonly kind: "roll-back"; readonly record: RolloutRecord }
  | { readonly kind: "succeed"; readonly record: RolloutRecord };

/** What comes next: back, if the new version does worse in the zone that moves; on, once the step had its time and its calls. */
export function planRollout(
  rollout: RolloutRecord,
  { arms, stepForMs }: RolloutSight,
  wallMs: number,
): RolloutPlan {
  const zone = movingZone(rollout);
  const changed = (more: Partial<RolloutRecord>): RolloutRecord => ({
    ...rollout,
    ...more,
    changedAtMs: wallMs,
  });
  const waitFor = (reason: string): RolloutPlan =>
    rollout.reason === reason ? { kind: "wait" } : { kind: "go-on", record: changed({ reason }) };

  if (arms === undefined)
    return stepForMs < rollout.stepMsMin
      ? { kind: "wait" }
      : waitFor(`nothing is heard of ${zone}`);
  const steps = stepsOfZone(rollout, arms);
  const judgement = judgeCanary(steps, FALSE_ALARM_RATE / rollout.zones.length);
  if (judgement.kind === "worse") {
    const reason = `${zone}: ${judgement.reason}`;
    return { kind: "roll-back", record: changed({ state: "rolled-back", reason }) };
  }
  if (stepForMs < rollout.stepMsMin) return { kind: "wait" };
  if (!hasEnoughCalls(rollout, steps.at(-1)))
    return waitFor(`waits for ${rollout.stepCallsMin} calls of each side in ${zone}`);

  const next = nextStep(rollout);
  if (next === undefined)
    return { kind: "succeed", record: changed({ state: "succeeded", reason: "in all zones" }) };
  return { kind: "go-on", record: changed({ ...next, reason: "" }) };
}

/** The steps of the zone that moves, up to the one in force; a step that nobody counted is all zeros. */
function stepsOfZone(rollout: RolloutRecord, arms: readonly RolloutArm[]): readonly StepArms[] {
  const counted = (step: string, arm: RolloutArm["arm"]): ArmCounts =>
    arms.find((one) => one.rolloutId === rollout.id && one.step === step && one.arm === arm) ??
    NOTHING;
  return rollout.stepPercents.slice(0, rollout.stepIndex + 1).map((percent, stepIndex) => {
    const step = stepName({ ...rollout, stepIndex });
    const controlPercent = Math.min(percent, 100 - percent);
    return {
      canary: counted(step, "canary"),
      control: counted(step, "control"),
      canaryShare: percent / (percent + controlPercent),
    };
  });
}

const NOTHING: ArmCounts = { calls: 0, errors: 0, latencyCounts: [] };

/** At 100 % there is nobody left to compare with. */
function hasEnoughCalls(rollout: RolloutRecord, step: StepArms | undefined): boolean {
  const { stepCallsMin } = rollout;
  if (step === undefined || step.canary.calls < stepCallsMin) return false;
  return canaryPercent(rollout) === 100 || step.control.calls >= stepCallsMin;
}

function nextStep({
  zones,
  stepPercents,
  zoneIndex,
  stepIndex,
}: RolloutRecord): Pick<RolloutRecord, "zoneIndex" | "stepIndex"> | undefined {
  if (stepIndex + 1 < stepPercents.length) return { zoneIndex, stepIndex: stepIndex + 1 };
  return zoneIndex + 1 < zones.length ? { zoneIndex: zoneIndex + 1, stepIndex: 0 } : undefined;
}

/**
 * The plan as one transaction: the rollout as it was read, and at its end the alias, which until then points at the old version, so that
 * going back is nothing but the end of the rollout. Undefined when there is nothing to write, or the alias is gone.
 */
export function rolloutTransaction(
  plan: RolloutPlan,
  rollout: Held<RolloutRecord>,
  alias: Held<AliasRecord> | undefined,
  fence: Compare,
): Transaction | undefined {
  if (plan.kind === "wait") return undefined;
  const { tenant, functionName, toVersion, alias: name } = rollout.value;
  const rolloutKey = keys.rollout(tenant, functionName, name);
  const compares = [fence, modifiedAt(rolloutKey, rollout)];
  const operations = [put(rolloutKey, plan.record)];
  if (plan.kind !== "succeed") return { compares, operations };
  if (alias === undefined) return undefined;
  const aliasKey = keys.alias(tenant, functionName, name);
  const moved: AliasRecord = {
    ...alias.value,
    version: toVersion,
    formerVersion: alias.value.version,
    updatedAtMs: plan.record.changedAtMs,
  };
  return {
    compares: [
      ...compares,
      modifiedAt(aliasKey, alias),
      present(keys.version(tenant, functionName, toVersion)),
    ],
    operations: [...operations, put(aliasKey, moved)],
  };
}
