import { changedKey } from "#lib/catalog/history.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** One revision as the catalog made it, and who asked for it; null for the end of a lease. */
export interface TrueRevision {
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly writer: string | null;
}

/** All that one incarnation of the catalog ever held; it forgets nothing, and knows nothing of the code under test. */
export interface CatalogTruth {
  readonly incarnation: string;
  readonly append: (revision: TrueRevision) => void;
  readonly revision: (revision: number) => TrueRevision | undefined;
  readonly newest: () => number;
  /** The record as it stood after the revision. */
  readonly recordAt: (key: string, revision: number) => CatalogRecord | undefined;
  /** Those with the prefix as they stood after the revision. */
  readonly recordsOf: (prefix: string, revision: number) => readonly CatalogRecord[];
  /** All records as they stood after the revision, by key. */
  readonly recordsAt: (revision: number) => ReadonlyMap<string, CatalogRecord>;
}

interface Version {
  readonly revision: number;
  readonly record: CatalogRecord | undefined;
}

/** `restored`: what it began with, after a restore; it counts as of that revision. */
export function catalogTruth(
  incarnation: string,
  restored: { readonly revision: number; readonly records: readonly CatalogRecord[] },
): CatalogTruth {
  const revisions = new Map<number, TrueRevision>();
  const versions = new Map<string, Version[]>();
  let newest = restored.revision;
  const note = (key: string, version: Version): void => {
    const before = versions.get(key);
    if (before === undefined) versions.set(key, [version]);
    else before.push(version);
  };
  for (const record of restored.records) note(record.key, { revision: newest, record });

  const recordAt = (key: string, revision: number): CatalogRecord | undefined =>
    versions.get(key)?.findLast((version) => version.revision <= revision)?.record;
  return {
    incarnation,
    append: (one) => {
      newest = one.revision;
      revisions.set(one.revision, one);
      for (const change of one.changes)
        note(changedKey(change), {
          revision: one.revision,
          record: change.kind === "put" ? change.record : undefined,
        });
    },
    revision: (revision) => revisions.get(revision),
    newest: () => newest,
    recordAt,
    recordsOf: (prefix, revision) =>
      [...versions.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => recordAt(key, revision))
        .filter((record) => record !== undefined),
    recordsAt: (revision) => {
      const records = new Map<string, CatalogRecord>();
      for (const key of versions.keys()) {
        const record = recordAt(key, revision);
        if (record !== undefined) records.set(key, record);
      }
      return records;
    },
  };
}
