import type { StartRollout } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { FunctionRecord, RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import { type FunctionState, runningRollout } from "./function-state.ts";
import { holds, type Precondition } from "./preconditions.ts";
import { absent, type Held, modifiedAt, present, put } from "../transactions.ts";

const STEP_PERCENTS = [5, 25, 50, 100];
const STEP_MS_MIN = 30_000;
const STEP_CALLS_MIN = 100;

export interface RolloutWish extends StartRollout {
  readonly id: string;
  readonly alias: string;
  readonly startedBy: string;
  readonly precondition: Precondition;
}

export type RolloutStartPlan =
  | { readonly kind: "start"; readonly record: RolloutRecord; readonly transaction: Transaction }
  | { readonly kind: "alias-missing" }
  | { readonly kind: "version-missing" }
  | { readonly kind: "changed-meanwhile"; readonly revision: number | null }
  | { readonly kind: "steps-invalid" }
  | { readonly kind: "zones-unknown"; readonly zones: readonly string[] }
  | { readonly kind: "rollout-running"; readonly rollout: RolloutRecord }
  /** Why there is nothing that a rollout could do with the alias as it is. */
  | { readonly kind: "not-now"; readonly reason: string };

/** Begins to move the alias, with the first step of the first zone. `zones` are all there are, in the order they come if none is said. */
export function planRolloutStart(
  state: FunctionState & { readonly record: Held<FunctionRecord> },
  wish: RolloutWish,
  zones: readonly string[],
  wallMs: number,
): RolloutStartPlan {
  const { tenant, name } = state.record.value;
  const alias = state.aliases.find(({ value }) => value.alias === wish.alias);
  const revision = alias?.modRevision ?? null;
  if (!holds(wish.precondition, revision)) return { kind: "changed-meanwhile", revision };
  if (alias === undefined) return { kind: "alias-missing" };
  const running = runningRollout(state, wish.alias);
  if (running !== undefined) return { kind: "rollout-running", rollout: running.value };
  if (!state.versions.includes(wish.version)) return { kind: "version-missing" };
  const { version: fromVersion, additionalVersions } = alias.value;
  if (additionalVersions !== undefined)
    return { kind: "not-now", reason: "several versions share it; give it to one of them first" };
  if (fromVersion === wish.version)
    return { kind: "not-now", reason: `it points at version ${fromVersion} already` };
  const { stepPercents = STEP_PERCENTS, zones: first = [] } = wish;
  if (!areSteps(stepPercents)) return { kind: "steps-invalid" };
  const unknown = first.filter((zone) => !zones.includes(zone));
  if (unknown.length > 0) return { kind: "zones-unknown", zones: unknown };

  const record: RolloutRecord = {
    id: wish.id,
    tenant,
    functionName: name,
    alias: wish.alias,
    fromVersion,
    toVersion: wish.version,
    state: "running",
    zones: [...first, ...zones.filter((zone) => !first.includes(zone))],
    stepPercents: [...stepPercents],
    zoneIndex: 0,
    stepIndex: 0,
    stepMsMin: wish.stepMsMin ?? STEP_MS_MIN,
    stepCallsMin: wish.stepCallsMin ?? STEP_CALLS_MIN,
    reason: "",
    startedBy: wish.startedBy,
    startedAtMs: wallMs,
    changedAtMs: wallMs,
  };
  const rolloutKey = keys.rollout(tenant, name, wish.alias);
  const before = state.rollouts.find(({ value }) => value.alias === wish.alias);
  const functionKey = keys.function(tenant, name);
  const transaction = {
    compares: [
      before === undefined ? absent(rolloutKey) : modifiedAt(rolloutKey, before),
      modifiedAt(keys.alias(tenant, name, wish.alias), alias),
      modifiedAt(functionKey, state.record),
      present(keys.version(tenant, name, wish.version)),
    ],
    // Written again as it is, so that a removal that has not seen the rollout fails and looks again.
    operations: [put(rolloutKey, record), put(functionKey, state.record.value)],
  };
  return { kind: "start", record, transaction };
}

const areSteps = (percents: readonly number[]): boolean =>
  percents.at(-1) === 100 &&
  percents.every((percent, index) => percent > (percents[index - 1] ?? 0));
