import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";

/** A record to write back, and the write in the catalog that it may replace: null where there is none. */
export interface RecoverableRecord {
  readonly key: string;
  readonly value: string;
  readonly replacesRevision: number | null;
}

/** Records that are of no use without each other, in the order in which each can stand alone. */
export type RecoveryGroup = readonly RecoverableRecord[];

/** One transaction's worth; with `isWhole`, its groups are complete in it. */
export interface RecoveryBatch {
  readonly groups: readonly RecoveryGroup[];
  readonly isWhole: boolean;
}

/** A transaction takes 100 operations and 1 MB; one operation is the story of the change. */
const BATCH_OPERATIONS_MAX = 99;
const BATCH_BYTES_MAX = 900_000;

/** Groups are kept whole as long as they fit one transaction; a larger one is divided, in its order. */
export function* packBatches(groups: Iterable<RecoveryGroup>): Generator<RecoveryBatch, void> {
  let batch: RecoveryGroup[] = [];
  let operations = 0;
  let bytes = 0;
  for (const group of groups) {
    const groupBytes = bytesOf(group);
    const isTooLarge = group.length > BATCH_OPERATIONS_MAX || groupBytes > BATCH_BYTES_MAX;
    const isFull =
      operations + group.length > BATCH_OPERATIONS_MAX || bytes + groupBytes > BATCH_BYTES_MAX;
    if (batch.length > 0 && (isTooLarge || isFull)) {
      yield { groups: batch, isWhole: true };
      batch = [];
      operations = 0;
      bytes = 0;
    }
    if (isTooLarge) {
      for (const part of divide(group)) yield { groups: [part], isWhole: false };
      continue;
    }
    batch.push(group);
    operations += group.length;
    bytes += groupBytes;
  }
  if (batch.length > 0) yield { groups: batch, isWhole: true };
}

function* divide(group: RecoveryGroup): Generator<RecoveryGroup, void> {
  let part: RecoverableRecord[] = [];
  for (const record of group) {
    if (part.length === BATCH_OPERATIONS_MAX || bytesOf([...part, record]) > BATCH_BYTES_MAX) {
      yield part;
      part = [];
    }
    part.push(record);
  }
  yield part;
}

const bytesOf = (group: RecoveryGroup): number =>
  // No character of JSON text takes more than three bytes per unit.
  group.reduce((sum, { key, value }) => sum + key.length + 3 * value.length, 0);

/** Kinds whose records stand alone, those first that others belong to. */
export const SINGLE_KINDS: readonly string[] = [
  prefixes.tenants,
  prefixes.quotas,
  prefixes.grants,
  prefixes.apiKeys,
  prefixes.clusters,
  prefixes.quotaRequests,
];

/** What belongs to one thing with a name, `TENANT/NAME`: a key of its own, or all keys below a prefix. */
export interface GroupedKinds {
  readonly kinds: readonly string[];
  /** In the order of writing: a version is written before the alias that points at it. */
  readonly keysOf: (tenant: string, name: string) => readonly GroupPart[];
}
export type GroupPart =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "prefix"; readonly prefix: string };

const oneKey = (key: string): GroupPart => ({ kind: "key", key });
const below = (prefix: string): GroupPart => ({ kind: "prefix", prefix });

export const SECRET_GROUPS: GroupedKinds = {
  kinds: [prefixes.secretNames, prefixes.secrets],
  keysOf: (tenant, name) => [
    oneKey(keys.secretName(tenant, name)),
    below(`${prefixes.secrets}${tenant}/${name}/`),
  ],
};

export const FUNCTION_GROUPS: GroupedKinds = {
  kinds: [
    prefixes.functions,
    prefixes.formerFunctions,
    prefixes.versions,
    prefixes.aliases,
    prefixes.rollouts,
  ],
  keysOf: (tenant, name) => [
    oneKey(keys.function(tenant, name)),
    oneKey(keys.formerFunction(tenant, name)),
    below(`${prefixes.versions}${tenant}/${name}/`),
    below(`${prefixes.aliases}${tenant}/${name}/`),
    below(`${prefixes.rollouts}${tenant}/${name}/`),
  ],
};

/** `TENANT/NAME` of a key of one of these kinds. */
export const groupNameOf = (kind: string, key: string): string =>
  key.slice(kind.length).split("/", 2).join("/");
