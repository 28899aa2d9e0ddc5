import {
  changedKey,
  type History,
  type Lease,
  OUTCOMES_REMEMBERED_MAX,
  type Revision,
  type ScanQuery,
} from "#lib/catalog/history.ts";
import { recentOutcomes } from "#lib/catalog/recent-outcomes.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";

interface Version {
  readonly revision: number;
  /** Null where the record was deleted. */
  readonly record: CatalogRecord | null;
}

/** A history in plain arrays: each key's versions, the keys in order, and the revisions since the last compaction. */
export function memoryHistory(incarnation: string): History {
  const versionsOf = new Map<string, Version[]>();
  const keysInOrder: string[] = [];
  let log: Revision[] = [];
  let newest = 0;
  let compactRevision = 0;
  const leases = new Map<string, Lease>();
  const { recall, remember } = recentOutcomes(OUTCOMES_REMEMBERED_MAX);

  const get = (key: string) => versionsOf.get(key)?.at(-1)?.record ?? undefined;

  return {
    position: () => ({ incarnation, revision: newest, compactRevision }),
    get,
    append: (revision) => {
      newest = revision.revision;
      log.push(revision);
      for (const change of revision.changes) {
        const key = changedKey(change);
        const version = {
          revision: revision.revision,
          record: change.kind === "put" ? change.record : null,
        };
        const versions = versionsOf.get(key);
        if (versions === undefined) {
          versionsOf.set(key, [version]);
          keysInOrder.splice(firstAtOrAfter(keysInOrder, key), 0, key);
        } else versions.push(version);
      }
    },
    scan: function* ({ prefix, afterKey, atRevision }: ScanQuery) {
      let index = firstAtOrAfter(keysInOrder, afterKey > prefix ? afterKey : prefix);
      for (; index < keysInOrder.length; index++) {
        const key = keysInOrder[index] ?? "";
        if (!key.startsWith(prefix)) return;
        if (key === afterKey) continue;
        const version = versionsOf.get(key)?.findLast(({ revision }) => revision <= atRevision);
        if (version?.record) yield version.record;
      }
    },
    revisionsAfter: (revision) => log.slice(Math.max(0, revision - compactRevision)),
    compact: (revision) => {
      log = log.slice(revision - compactRevision);
      compactRevision = revision;
      for (const [key, versions] of versionsOf) {
        const kept = versionsNeededAfter(versions, revision);
        if (kept.length > 0) versionsOf.set(key, kept);
        else {
          versionsOf.delete(key);
          keysInOrder.splice(firstAtOrAfter(keysInOrder, key), 1);
        }
      }
    },
    leases: () => [...leases.values()],
    hasLease: (leaseId) => leases.has(leaseId),
    addLease: (lease) => leases.set(lease.leaseId, lease),
    removeLease: (leaseId) => leases.delete(leaseId),
    recall,
    remember,
    keysOfLease: (leaseId) => keysInOrder.filter((key) => get(key)?.leaseId === leaseId),
  };
}

/** The version that stood at the revision, unless it was a deletion, and all later ones. */
function versionsNeededAfter(versions: readonly Version[], revision: number): Version[] {
  const standing = versions.findLast((version) => version.revision <= revision);
  return versions.filter(
    (version) => version.revision > revision || (version === standing && version.record !== null),
  );
}

function firstAtOrAfter(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
