import { prefixes } from "#lib/contracts/catalog-keys.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** What turns the records held into those of the snapshot; records that are equal stay untouched. */
export function diffSnapshot(
  held: readonly CatalogRecord[],
  snapshot: readonly CatalogRecord[],
): readonly Change[] {
  const leftOver = new Map(held.map((record) => [record.key, record]));
  const changes: Change[] = [];
  for (const record of snapshot) {
    const before = leftOver.get(record.key);
    leftOver.delete(record.key);
    if (before === undefined || !isSame(before, record)) changes.push({ kind: "put", record });
  }
  for (const key of leftOver.keys()) changes.push({ kind: "delete", key });
  return changes;
}

const isSame = (one: CatalogRecord, other: CatalogRecord): boolean =>
  one.modRevision === other.modRevision &&
  one.createRevision === other.createRevision &&
  one.leaseId === other.leaseId &&
  one.value === other.value;

/** Functions a snapshot may take away without being asked, as a number and as a share: more than both waits for an operator. */
const REMOVED_FUNCTIONS_MAX = 20;
const REMOVED_SHARE_MAX = 0.01;

export interface Removals {
  readonly removed: number;
  readonly held: number;
  /** So many that a damaged or emptied catalog is likelier than an intention. */
  readonly isSuspicious: boolean;
}

export function judgeRemovals(
  held: readonly CatalogRecord[],
  changes: readonly Change[],
): Removals {
  const heldCount = held.filter(({ key }) => key.startsWith(prefixes.functions)).length;
  const removed = changes.filter(
    (change) => change.kind === "delete" && change.key.startsWith(prefixes.functions),
  ).length;
  const isSuspicious = removed > REMOVED_FUNCTIONS_MAX && removed > heldCount * REMOVED_SHARE_MAX;
  return { removed, held: heldCount, isSuspicious };
}
