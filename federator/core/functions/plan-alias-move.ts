import type { MoveAlias } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord, RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import { ALIASES_MAX, type FunctionState, runningRollout } from "./function-state.ts";
import { holds, type Precondition } from "./preconditions.ts";
import { absent, modifiedAt, present, put } from "../transactions.ts";

export interface AliasWish extends MoveAlias {
  readonly alias: string;
  readonly precondition: Precondition;
}

export type AliasPlan =
  | {
      readonly kind: "move";
      readonly record: AliasRecord;
      readonly from: number | null;
      readonly transaction: Transaction;
    }
  | { readonly kind: "function-missing" }
  | { readonly kind: "version-missing"; readonly version: number }
  | { readonly kind: "changed-meanwhile"; readonly revision: number | null }
  | { readonly kind: "weights-invalid"; readonly reason: string }
  | { readonly kind: "rollout-running"; readonly rollout: RolloutRecord }
  | { readonly kind: "too-many-aliases" };

/** Points the alias at versions that exist; makes the alias where there is none. */
export function planAliasMove(state: FunctionState, wish: AliasWish, wallMs: number): AliasPlan {
  if (state.record === undefined) return { kind: "function-missing" };
  const { tenant, name } = state.record.value;
  const current = state.aliases.find((alias) => alias.value.alias === wish.alias);
  const revision = current?.modRevision ?? null;
  if (!holds(wish.precondition, revision)) return { kind: "changed-meanwhile", revision };
  const reason = faultOfWeights(wish);
  if (reason !== undefined) return { kind: "weights-invalid", reason };
  const { additionalVersions = [] } = wish;
  const wanted = [wish.version, ...additionalVersions.map(({ version }) => version)];
  const missing = wanted.find((version) => !state.versions.includes(version));
  if (missing !== undefined) return { kind: "version-missing", version: missing };
  const rollout = runningRollout(state, wish.alias);
  if (rollout !== undefined) return { kind: "rollout-running", rollout: rollout.value };
  if (current === undefined && state.aliases.length >= ALIASES_MAX)
    return { kind: "too-many-aliases" };

  const from = current?.value.version ?? null;
  const { additionalVersions: _before, ...kept } = current?.value ?? {};
  const record: AliasRecord = {
    ...kept,
    ...(from !== null && from !== wish.version && { formerVersion: from }),
    tenant,
    functionName: name,
    alias: wish.alias,
    version: wish.version,
    ...(additionalVersions.length === 0 ? {} : { additionalVersions }),
    updatedAtMs: wallMs,
  };
  const aliasKey = keys.alias(tenant, name, wish.alias);
  const functionKey = keys.function(tenant, name);
  const versionsThere = wanted.map((version) => present(keys.version(tenant, name, version)));
  if (current !== undefined) {
    const compares = [modifiedAt(aliasKey, current), ...versionsThere];
    const operations = [put(aliasKey, record)];
    return { kind: "move", record, from, transaction: { compares, operations } };
  }
  // A new alias also rewrites the function's record, so that a delete that has not seen the alias fails and looks again.
  const compares = [absent(aliasKey), modifiedAt(functionKey, state.record), ...versionsThere];
  const operations = [put(aliasKey, record), put(functionKey, state.record.value)];
  return { kind: "move", record, from, transaction: { compares, operations } };
}

/** Each version once, and at least 1 % left for the first one. */
function faultOfWeights({ version, additionalVersions = [] }: MoveAlias): string | undefined {
  const all = [version, ...additionalVersions.map((one) => one.version)];
  const twice = all.find((one, index) => all.indexOf(one) !== index);
  if (twice !== undefined) return `version ${twice} stands there twice`;
  const percent = additionalVersions.reduce((sum, one) => sum + one.percent, 0);
  return percent > 99
    ? `the additional versions take ${percent} % and leave less than 1 % for version ${version}`
    : undefined;
}
