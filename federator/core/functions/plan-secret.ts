import { keys } from "#lib/contracts/catalog-keys.ts";
import type { SecretNameRecord, SecretRecord } from "#lib/contracts/catalog-records.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import { holds, type Precondition } from "./preconditions.ts";
import { absent, type Held, modifiedAt, put, remove } from "../transactions.ts";
import type { RemovalPlan } from "./plan-removals.ts";

/** Names a tenant may have; a removed one counts, as its number is kept, until it makes room for another. */
export const SECRETS_MAX = 1_000;
/** Revisions of one secret; older ones go when no version needs them. */
export const SECRET_REVISIONS_MAX = 20;

/** A secret as the catalog has it. */
export interface SecretState {
  readonly name: Held<SecretNameRecord> | undefined;
  /** In ascending order. */
  readonly revisions: readonly Held<SecretRecord>[];
}

/** The ETag of a secret that is there; null of one that is not. */
const secretRevision = ({ name }: Pick<SecretState, "name">): number | null =>
  name === undefined || name.value.isRemoved ? null : name.modRevision;

/** The number that the next revision gets; never one that was used before, as far as the catalog or this zone knows. */
export const nextRevision = ({ name }: SecretState, lastKnown: number): number =>
  Math.max(name?.value.latestRevision ?? 0, lastKnown) + 1;

export type SecretChangePlan =
  | {
      readonly kind: "change";
      readonly record: SecretNameRecord;
      readonly transaction: Transaction;
    }
  | { readonly kind: "changed-meanwhile"; readonly revision: number | null }
  /** All of its revisions are needed by versions that are kept. */
  | { readonly kind: "too-many-revisions" };

/** What is known of the use of a secret: for each revision, the versions that need it, in words. */
export type SecretUses = ReadonlyMap<number, readonly string[]>;

/** A new revision, beside those that versions still use. `forgotten` is the key of a removed name that makes room. */
export function planSecretChange(
  state: SecretState,
  next: SecretRecord,
  uses: SecretUses,
  precondition: Precondition,
  forgotten: string | undefined,
): SecretChangePlan {
  const revision = secretRevision(state);
  if (!holds(precondition, revision)) return { kind: "changed-meanwhile", revision };
  const excess = state.revisions.length + 1 - SECRET_REVISIONS_MAX;
  const droppable = state.revisions.filter(({ value }) => !uses.has(value.revision));
  if (droppable.length < excess) return { kind: "too-many-revisions" };
  const dropped = droppable.slice(0, Math.max(0, excess));

  const { tenant, name } = next;
  const nameKey = keys.secretName(tenant, name);
  const record: SecretNameRecord = {
    ...state.name?.value,
    tenant,
    name,
    latestRevision: next.revision,
    isRemoved: false,
    changedBy: next.createdBy,
    changedAtMs: next.createdAtMs,
  };
  const transaction = {
    compares: [
      state.name === undefined ? absent(nameKey) : modifiedAt(nameKey, state.name),
      ...dropped.map((held) => modifiedAt(keyOf(held.value), held)),
    ],
    operations: [
      put(nameKey, record),
      put(keyOf(next), next),
      ...dropped.map(({ value }) => remove(keyOf(value))),
      ...(forgotten === undefined ? [] : [remove(forgotten)]),
    ],
  };
  return { kind: "change", record, transaction };
}

/** All revisions at once, if nothing needs one; a deploy that names the secret meanwhile has written its record again, and is seen. */
export function planSecretRemoval(
  state: SecretState,
  uses: SecretUses,
  precondition: Precondition,
  by: { readonly actor: string; readonly wallMs: number },
): RemovalPlan {
  const revision = secretRevision(state);
  if (!holds(precondition, revision)) return { kind: "changed-meanwhile", revision };
  if (state.name === undefined || state.name.value.isRemoved) return { kind: "missing" };
  const needing = [...uses.values()].flat();
  if (needing.length > 0) return { kind: "in-use", by: needing };
  const nameKey = keys.secretName(state.name.value.tenant, state.name.value.name);
  const record: SecretNameRecord = {
    ...state.name.value,
    isRemoved: true,
    changedBy: by.actor,
    changedAtMs: by.wallMs,
  };
  return {
    kind: "remove",
    transaction: {
      compares: [
        modifiedAt(nameKey, state.name),
        ...state.revisions.map((held) => modifiedAt(keyOf(held.value), held)),
      ],
      operations: [
        put(nameKey, record),
        ...state.revisions.map(({ value }) => remove(keyOf(value))),
      ],
    },
  };
}

const keyOf = ({ tenant, name, revision }: SecretRecord): string =>
  keys.secret(tenant, name, revision);
