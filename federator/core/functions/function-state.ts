import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import type {
  AliasRecord,
  FormerFunctionRecord,
  FunctionRecord,
  RolloutRecord,
} from "#lib/contracts/catalog-records.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import type { Compare } from "#lib/ports/catalog.ts";
import { absent, type Held, modifiedAt } from "../transactions.ts";

/** A function and all that hangs on it has to fit into one transaction of 100 operations, so that it can be deleted in one. */
export const VERSIONS_MAX = 50;
export const ALIASES_MAX = 20;

/** A function as the catalog has it; without `record` there is none (yet, or any more). */
export interface FunctionState {
  readonly record: Held<FunctionRecord> | undefined;
  /** What an earlier function of the name left behind. */
  readonly former: Held<FormerFunctionRecord> | undefined;
  readonly aliases: readonly Held<AliasRecord>[];
  /** The newest of each alias, running or ended. */
  readonly rollouts: readonly Held<RolloutRecord>[];
  /** In ascending order. */
  readonly versions: readonly number[];
  /** Version → those that fall back on it; absent: none does. */
  readonly fallbackOf?: ReadonlyMap<number, readonly number[]>;
}

/**
 * Nothing of the function was written since it was read: neither a deploy, nor a move of an alias. What adds or removes an alias or
 * a version, and what starts a rollout, rewrites the function's record, so that comparing it is enough for those.
 */
export function unchanged(state: FunctionState, tenant: string, functionName: string): Compare[] {
  const functionKey = keys.function(tenant, functionName);
  if (state.record === undefined) {
    const formerKey = keys.formerFunction(tenant, functionName);
    return [
      absent(functionKey),
      absent(keys.alias(tenant, functionName, LIVE_ALIAS)),
      state.former === undefined ? absent(formerKey) : modifiedAt(formerKey, state.former),
    ];
  }
  return [
    modifiedAt(functionKey, state.record),
    ...state.aliases.map((alias) =>
      modifiedAt(keys.alias(tenant, functionName, alias.value.alias), alias),
    ),
  ];
}

/** The function's ETag: grows with every deploy, and with every alias that is made, moved or removed. */
export const functionRevision = ({
  record,
  aliases,
}: Pick<FunctionState, "record" | "aliases">): number | null =>
  record === undefined
    ? null
    : Math.max(record.modRevision, ...aliases.map(({ modRevision }) => modRevision));

/** What needs the version, in words. */
export function pointersTo(state: FunctionState, version: number): readonly string[] {
  const aliases = state.aliases.flatMap(({ value }) => {
    if (value.version === version) return [`the alias ${value.alias}`];
    const share = value.additionalVersions?.find((one) => one.version === version);
    return share === undefined ? [] : [`the alias ${value.alias} with ${share.percent} %`];
  });
  const rollouts = state.rollouts
    .filter(({ value }) => value.state === "running")
    .filter(({ value }) => value.fromVersion === version || value.toVersion === version)
    .map(({ value }) => `the rollout ${value.id} of ${value.alias}`);
  const fallbacks = (state.fallbackOf?.get(version) ?? []).map(
    (other) => `version ${other}, whose fallback it is`,
  );
  return [...aliases, ...rollouts, ...fallbacks];
}

export const runningRollout = (
  state: FunctionState,
  alias: string,
): Held<RolloutRecord> | undefined =>
  state.rollouts.find(({ value }) => value.alias === alias && value.state === "running");

/** The number at the end of a version's key. */
export const versionOfKey = (key: string, tenant: string, functionName: string): number =>
  Number(key.slice(functionPrefix("versions", tenant, functionName).length));
