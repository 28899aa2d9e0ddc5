import { keys } from "#lib/contracts/catalog-keys.ts";
import type {
  AliasRecord,
  FunctionRecord,
  RolloutRecord,
  SecretRecord,
  VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { Operation, Transaction } from "#lib/ports/catalog.ts";
import {
  ALIASES_MAX,
  type FunctionState,
  functionRevision,
  pointersTo,
  runningRollout,
  unchanged,
  VERSIONS_MAX,
} from "./function-state.ts";
import { holds, type Precondition } from "./preconditions.ts";
import { present, put, remove } from "../transactions.ts";

const VERSION_RECORD_BYTES_MAX = 2_048;

export interface DeployWish {
  readonly tenant: string;
  readonly functionName: string;
  readonly codeDigest: string;
  readonly codeBytes: number;
  readonly manifest: FunctionManifest;
  /** Which alias shall point at the new version; null: none. */
  readonly alias: string | null;
  /** The revisions of the secrets that the manifest names; empty where it names none. */
  readonly secrets: readonly SecretRecord[];
  readonly precondition: Precondition;
  /** The highest number that is known to have been used, whatever the catalog says; absent: no other than it says. */
  readonly lastKnownVersion?: number;
}

export type DeployPlan =
  | {
      readonly kind: "deploy";
      readonly version: VersionRecord;
      readonly alias: AliasRecord | null;
      readonly isNewFunction: boolean;
      readonly transaction: Transaction;
    }
  | { readonly kind: "changed-meanwhile"; readonly revision: number | null }
  | { readonly kind: "rollout-running"; readonly rollout: RolloutRecord }
  | { readonly kind: "too-many-aliases" }
  /** Every one of them is needed by an alias or a rollout. */
  | { readonly kind: "too-many-versions" }
  | { readonly kind: "record-too-large"; readonly bytes: number; readonly bytesMax: number };

/**
 * The next version, and an alias pointing at it, in one transaction. A deploy is explicit: the same code and manifest once more make a
 * version once more. Numbers go on where those of a deleted function of the name ended.
 */
export function planDeploy(state: FunctionState, wish: DeployWish, wallMs: number): DeployPlan {
  const { tenant, functionName } = wish;
  const revision = functionRevision(state);
  if (!holds(wish.precondition, revision)) return { kind: "changed-meanwhile", revision };
  const rollout = wish.alias === null ? undefined : runningRollout(state, wish.alias);
  if (rollout !== undefined) return { kind: "rollout-running", rollout: rollout.value };

  const latest = (state.record ?? state.former)?.value.latestVersion ?? 0;
  const number = Math.max(latest, wish.lastKnownVersion ?? 0) + 1;
  const version = newVersion(wish, number, wallMs);
  const bytes = new TextEncoder().encode(JSON.stringify(version)).length;
  if (bytes > VERSION_RECORD_BYTES_MAX)
    return { kind: "record-too-large", bytes, bytesMax: VERSION_RECORD_BYTES_MAX };
  const alias = movedAlias(state, wish, number, wallMs);
  const isNewAlias = !state.aliases.some(({ value }) => value.alias === wish.alias);
  if (alias !== null && isNewAlias && state.aliases.length >= ALIASES_MAX)
    return { kind: "too-many-aliases" };
  const dropped = versionsToDrop(state);
  if (dropped === undefined) return { kind: "too-many-versions" };

  const record: FunctionRecord = {
    ...state.record?.value,
    tenant,
    name: functionName,
    latestVersion: number,
    createdAtMs: state.record?.value.createdAtMs ?? wallMs,
  };
  const operations: Operation[] = [
    put(keys.function(tenant, functionName), record),
    put(keys.version(tenant, functionName, number), version),
    ...(alias === null ? [] : [put(keys.alias(tenant, functionName, alias.alias), alias)]),
    ...dropped.map((old) => remove(keys.version(tenant, functionName, old))),
    ...(state.former === undefined ? [] : [remove(keys.formerFunction(tenant, functionName))]),
    ...wish.secrets.map(touch),
  ];
  const compares = [
    ...unchanged(state, tenant, functionName),
    ...wish.secrets.map(({ name, revision: number }) => present(keys.secret(tenant, name, number))),
  ];
  const transaction = { compares, operations };
  return { kind: "deploy", version, alias, isNewFunction: state.record === undefined, transaction };
}

/** Written again as it is, so that a removal of the secret that did not see this version fails and looks again. */
const touch = (secret: SecretRecord): Operation =>
  put(keys.secret(secret.tenant, secret.name, secret.revision), secret);

function newVersion(wish: DeployWish, version: number, wallMs: number): VersionRecord {
  const { tenant, functionName, codeDigest, codeBytes, manifest, secrets } = wish;
  const secretRevisions = Object.fromEntries(secrets.map(({ name, revision }) => [name, revision]));
  return {
    tenant,
    functionName,
    version,
    codeDigest,
    codeBytes,
    manifest,
    ...(secrets.length === 0 ? {} : { secretRevisions }),
    createdAtMs: wallMs,
  };
}

/** All calls of the alias go to the new version: other shares end with it. */
function movedAlias(
  state: FunctionState,
  { tenant, functionName, alias }: DeployWish,
  version: number,
  wallMs: number,
): AliasRecord | null {
  if (alias === null) return null;
  const before = state.aliases.find(({ value }) => value.alias === alias)?.value;
  const { additionalVersions: _ended, ...kept } = before ?? {};
  const former = before === undefined ? {} : { formerVersion: before.version };
  return { ...kept, ...former, tenant, functionName, alias, version, updatedAtMs: wallMs };
}

/** The oldest that nothing points at, as many as keep the count within its bound once the new one is there. */
function versionsToDrop(state: FunctionState): readonly number[] | undefined {
  const excess = state.versions.length + 1 - VERSIONS_MAX;
  if (excess <= 0) return [];
  const unneeded = state.versions.filter((version) => pointersTo(state, version).length === 0);
  // What an alias was before goes last: a rollback would want it.
  const isFormer = (version: number): boolean =>
    state.aliases.some(({ value }) => value.formerVersion === version);
  const droppable = [
    ...unneeded.filter((version) => !isFormer(version)),
    ...unneeded.filter(isFormer),
  ];
  return droppable.length < excess ? undefined : droppable.slice(0, excess);
}
