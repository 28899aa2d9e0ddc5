import { keys } from "#lib/contracts/catalog-keys.ts";
import type { FormerFunctionRecord, FunctionRecord } from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import {
  type FunctionState,
  functionRevision,
  pointersTo,
  runningRollout,
  unchanged,
} from "./function-state.ts";
import { holds, type Precondition } from "./preconditions.ts";
import { type Held, modifiedAt, put, remove } from "../transactions.ts";

/** A function that is there. */
type StandingFunction = FunctionState & { readonly record: Held<FunctionRecord> };

export type RemovalPlan =
  | { readonly kind: "remove"; readonly transaction: Transaction }
  | { readonly kind: "missing" }
  | { readonly kind: "changed-meanwhile"; readonly revision: number | null }
  /** What still needs it, in words. */
  | { readonly kind: "in-use"; readonly by: readonly string[] };

/**
 * Function, aliases, rollouts and versions go in one revision: an alias never outlives its version. The number of its last version
 * stays. `forgotten` is the key of a former function that makes room for that.
 */
export function planFunctionRemoval(
  state: StandingFunction,
  precondition: Precondition,
  wallMs: number,
  forgotten: string | undefined,
): RemovalPlan {
  const revision = functionRevision(state);
  if (!holds(precondition, revision)) return { kind: "changed-meanwhile", revision };
  const { tenant, name, latestVersion } = state.record.value;
  const former: FormerFunctionRecord = { tenant, name, latestVersion, deletedAtMs: wallMs };
  const operations = [
    remove(keys.function(tenant, name)),
    put(keys.formerFunction(tenant, name), former),
    ...(forgotten === undefined ? [] : [remove(forgotten)]),
    ...state.aliases.map(({ value }) => remove(keys.alias(tenant, name, value.alias))),
    ...state.rollouts.map(({ value }) => remove(keys.rollout(tenant, name, value.alias))),
    ...state.versions.map((version) => remove(keys.version(tenant, name, version))),
  ];
  const compares = unchanged(state, tenant, name);
  return { kind: "remove", transaction: { compares, operations } };
}

/** Only a version that nothing points at; the others stay as they are. */
export function planVersionRemoval(
  state: StandingFunction,
  version: Held<{ readonly version: number }> | undefined,
  precondition: Precondition,
): RemovalPlan {
  const revision = version?.modRevision ?? null;
  if (!holds(precondition, revision)) return { kind: "changed-meanwhile", revision };
  if (version === undefined) return { kind: "missing" };
  const number = version.value.version;
  const by = pointersTo(state, number);
  if (by.length > 0) return { kind: "in-use", by };
  const { tenant, name } = state.record.value;
  const versionKey = keys.version(tenant, name, number);
  return {
    kind: "remove",
    transaction: {
      compares: [...unchanged(state, tenant, name), modifiedAt(versionKey, version)],
      operations: [remove(versionKey), put(keys.function(tenant, name), state.record.value)],
    },
  };
}

/** Any but `live`, which stays as long as the function does, and none that a rollout is moving. */
export function planAliasRemoval(
  state: StandingFunction,
  alias: string,
  precondition: Precondition,
): RemovalPlan {
  const held = state.aliases.find(({ value }) => value.alias === alias);
  const revision = held?.modRevision ?? null;
  if (!holds(precondition, revision)) return { kind: "changed-meanwhile", revision };
  if (held === undefined) return { kind: "missing" };
  if (alias === LIVE_ALIAS) return { kind: "in-use", by: ["the function itself"] };
  const rollout = runningRollout(state, alias);
  if (rollout !== undefined) return { kind: "in-use", by: [`the rollout ${rollout.value.id}`] };
  const { tenant, name } = state.record.value;
  const aliasKey = keys.alias(tenant, name, alias);
  const ended = state.rollouts.filter(({ value }) => value.alias === alias);
  return {
    kind: "remove",
    transaction: {
      compares: [modifiedAt(aliasKey, held), modifiedAt(keys.function(tenant, name), state.record)],
      operations: [
        remove(aliasKey),
        ...ended.map(() => remove(keys.rollout(tenant, name, alias))),
        put(keys.function(tenant, name), state.record.value),
      ],
    },
  };
}
