import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** More new keys than this at once are sorted together; fewer are put in their place one by one. */
const INSERTIONS_MAX = 64;

/** The records of the catalog in memory, by key and in key order. */
export interface RecordView {
  readonly get: (key: string) => CatalogRecord | undefined;
  readonly list: (prefix: string) => readonly CatalogRecord[];
  readonly keys: () => readonly string[];
  readonly apply: (changes: readonly Change[]) => void;
}

export function recordView(initial: readonly CatalogRecord[]): RecordView {
  const records = new Map(initial.map((record) => [record.key, record]));
  let ordered = [...records.keys()].toSorted();

  const list = (prefix: string): readonly CatalogRecord[] => {
    const found: CatalogRecord[] = [];
    for (let index = lowerBound(ordered, prefix); index < ordered.length; index += 1) {
      const key = ordered[index] ?? "";
      if (!key.startsWith(prefix)) break;
      const record = records.get(key);
      if (record !== undefined) found.push(record);
    }
    return found;
  };

  const apply = (changes: readonly Change[]): void => {
    const added = new Set<string>();
    const removed = new Set<string>();
    for (const change of changes) {
      if (change.kind === "put") {
        if (!records.has(change.record.key)) added.add(change.record.key);
        records.set(change.record.key, change.record);
      } else if (records.delete(change.key) && !added.delete(change.key)) removed.add(change.key);
    }
    // A key that went and came within one revision keeps its place.
    for (const key of added) if (removed.delete(key)) added.delete(key);
    if (removed.size > 0) ordered = ordered.filter((key) => !removed.has(key));
    if (added.size > INSERTIONS_MAX) ordered = [...ordered, ...added].toSorted();
    else for (const key of added) ordered.splice(lowerBound(ordered, key), 0, key);
  };

  return { get: (key) => records.get(key), list, keys: () => ordered, apply };
}

/** The first place whose key is not before the given one. */
function lowerBound(ordered: readonly string[], key: string): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ordered[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
