import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord, FunctionRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import type { Compare, Operation, Transaction } from "#lib/ports/catalog.ts";
import { absent, type Held, modifiedAt, put, remove } from "./transactions.ts";

/** Older versions that no alias points at are dropped beyond this many, so that a delete fits into one transaction. */
export const VERSIONS_MAX = 50;
export const ALIASES_MAX = 20;
const VERSION_RECORD_BYTES_MAX = 2_048;

/** A function as the catalog has it; without `record` there is none (yet, or any more). */
export interface FunctionState {
  readonly record: Held<FunctionRecord> | undefined;
  readonly aliases: readonly Held<AliasRecord>[];
  /** In ascending order. */
  readonly versions: readonly number[];
}

export interface DeployWish {
  readonly tenant: string;
  readonly functionName: string;
  readonly codeDigest: string;
  readonly codeBytes: number;
  readonly manifest: FunctionManifest;
}

export type DeployPlan =
  | {
      readonly kind: "deploy";
      readonly version: VersionRecord;
      readonly alias: AliasRecord;
      readonly transaction: Transaction;
    }
  | { readonly kind: "record-too-large"; readonly bytes: number; readonly bytesMax: number };

/**
 * The next version, and `live` pointing at it, in one transaction. A deploy is explicit: the same code and manifest once more
 * make a version once more. A function that was deleted begins at 1 again; what is cached is cached by digest.
 */
export function planDeploy(state: FunctionState, wish: DeployWish, wallMs: number): DeployPlan {
  const { tenant, functionName, codeDigest, codeBytes, manifest } = wish;
  const number = (state.record?.value.latestVersion ?? 0) + 1;
  const version: VersionRecord = {
    tenant,
    functionName,
    version: number,
    codeDigest,
    codeBytes,
    manifest,
    createdAtMs: wallMs,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(version)).length;
  if (bytes > VERSION_RECORD_BYTES_MAX)
    return { kind: "record-too-large", bytes, bytesMax: VERSION_RECORD_BYTES_MAX };

  const alias: AliasRecord = {
    tenant,
    functionName,
    alias: LIVE_ALIAS,
    version: number,
    updatedAtMs: wallMs,
  };
  const record: FunctionRecord = {
    tenant,
    name: functionName,
    latestVersion: number,
    createdAtMs: state.record?.value.createdAtMs ?? wallMs,
  };
  const operations: Operation[] = [
    put(keys.function(tenant, functionName), record),
    put(keys.version(tenant, functionName, number), version),
    put(keys.alias(tenant, functionName, LIVE_ALIAS), alias),
    ...versionsToDrop(state).map((old) => remove(keys.version(tenant, functionName, old))),
  ];
  return {
    kind: "deploy",
    version,
    alias,
    transaction: { compares: unchanged(state, tenant, functionName), operations },
  };
}

/** Nothing of the function was written since it was read: neither a deploy, a new alias, nor a move of one. */
function unchanged(state: FunctionState, tenant: string, functionName: string): Compare[] {
  const functionKey = keys.function(tenant, functionName);
  const liveKey = keys.alias(tenant, functionName, LIVE_ALIAS);
  if (state.record === undefined) return [absent(functionKey), absent(liveKey)];
  return [
    modifiedAt(functionKey, state.record),
    ...state.aliases.map((alias) =>
      modifiedAt(keys.alias(tenant, functionName, alias.value.alias), alias),
    ),
  ];
}

/** The oldest that nothing points at, as many as keep the count within its bound once the new one is there. */
function versionsToDrop(state: FunctionState): readonly number[] {
  const excess = state.versions.length + 1 - VERSIONS_MAX;
  if (excess <= 0) return [];
  const pointedAt = new Set(state.aliases.map((alias) => alias.value.version));
  // What `live` pointed at until now stays, for a rollback.
  return state.versions.filter((version) => !pointedAt.has(version)).slice(0, excess);
}

/** Function, aliases and versions go in one revision: an alias never outlives its version. */
export function planFunctionRemoval(
  state: FunctionState & { readonly record: Held<FunctionRecord> },
): Transaction {
  const { tenant, name } = state.record.value;
  return {
    compares: unchanged(state, tenant, name),
    operations: [
      remove(keys.function(tenant, name)),
      ...state.aliases.map((alias) => remove(keys.alias(tenant, name, alias.value.alias))),
      ...state.versions.map((version) => remove(keys.version(tenant, name, version))),
    ],
  };
}

/** The number at the end of a version's key. */
export const versionOfKey = (key: string, tenant: string, functionName: string): number =>
  Number(key.slice(functionPrefix("versions", tenant, functionName).length));
