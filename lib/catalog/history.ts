import type {
  CatalogRecord,
  Change,
  Compare,
  Operation,
  RangeQuery,
  RangeResult,
  Transaction,
} from "#lib/ports/catalog.ts";
import { CATALOG_LIMITS } from "#lib/catalog/limits.ts";

/** A page or a batch of revisions ends early past this size, so that an answer stays small whatever the records hold. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REVISIONS_MAX = 500;

/** Every version of every record since the last compaction, and the leases. Synchronous: a write is one step. */
export interface History {
  readonly position: () => HistoryPosition;
  readonly get: (key: string) => CatalogRecord | undefined;
  readonly append: (revision: Revision) => void;
  /** The records as they stood at the revision, in key order. */
  readonly scan: (query: ScanQuery) => Iterable<CatalogRecord>;
  readonly revisionsAfter: (revision: number) => Iterable<Revision>;
  /** Drops what only revisions up to and including this one need. */
  readonly compact: (revision: number) => void;
  readonly leases: () => readonly Lease[];
  readonly hasLease: (leaseId: string) => boolean;
  readonly addLease: (lease: Lease) => void;
  readonly removeLease: (leaseId: string) => void;
  /** Keys whose newest version carries the lease, in order. */
  readonly keysOfLease: (leaseId: string) => readonly string[];
  /** What became of a recent transaction with that id. */
  readonly recall: (operationId: string) => RememberedOutcome | undefined;
  /** Kept as long as the change itself is, but for the oldest when there are too many. */
  readonly remember: (operationId: string, outcome: RememberedOutcome) => void;
}

/**
 * So many outcomes are remembered: ten seconds, the longest that a lost answer is asked for again, of 13,000 writes each; the
 * bench saw some 3,000.
 */
export const OUTCOMES_REMEMBERED_MAX = 131_072;

export interface HistoryPosition {
  readonly incarnation: string;
  readonly revision: number;
  readonly compactRevision: number;
}

/** What one revision changed, in key order. */
export interface Revision {
  readonly revision: number;
  readonly changes: readonly Change[];
}

export interface Lease {
  readonly leaseId: string;
  readonly ttlMs: number;
}

export interface ScanQuery {
  readonly prefix: string;
  /** Exclusive; empty for the start. */
  readonly afterKey: string;
  readonly atRevision: number;
}

export type CatalogWrite =
  /** Sent again with the same id it is not made again: its outcome is told again. */
  | { readonly kind: "txn"; readonly transaction: Transaction; readonly operationId?: string }
  | { readonly kind: "grant-lease"; readonly lease: Lease }
  | { readonly kind: "end-lease"; readonly leaseId: string }
  | { readonly kind: "compact"; readonly revision: number };

/** `applied` without changes made no revision; `revision` is then the newest one. */
export type WriteOutcome =
  | { readonly kind: "applied"; readonly revision: number; readonly changes: readonly Change[] }
  | { readonly kind: "conflict"; readonly revision: number; readonly failedKey: string }
  | { readonly kind: "unknown-lease"; readonly leaseId: string }
  | { readonly kind: "not-yet"; readonly revision: number };

export type RememberedOutcome = Extract<WriteOutcome, { kind: "applied" | "conflict" }>;

/** `not-yet`: the asked revision is still to come. */
export type PageResult = RangeResult | { readonly kind: "not-yet"; readonly revision: number };

export type RevisionsResult =
  | { readonly kind: "revisions"; readonly revisions: readonly Revision[] }
  | { readonly kind: "compacted"; readonly compactRevision: number };

/** Decides the write against the newest state and, unless it is refused, makes it: the only way a history grows. */
export function applyWrite(history: History, write: CatalogWrite): WriteOutcome {
  switch (write.kind) {
    case "txn":
      return applyOnce(history, write.transaction, write.operationId);
    case "grant-lease":
      history.addLease(write.lease);
      return applied(history, []);
    case "end-lease": {
      const keys = history.keysOfLease(write.leaseId);
      history.removeLease(write.leaseId);
      return applied(
        history,
        keys.map((key) => ({ kind: "delete", key })),
      );
    }
    case "compact": {
      const { revision, compactRevision } = history.position();
      if (write.revision > revision) return { kind: "not-yet", revision };
      if (write.revision > compactRevision) history.compact(write.revision);
      return applied(history, []);
    }
  }
}

/** One page of records at one revision. A page can be shorter than its limit and still have `more`. */
export function readPage(history: History, query: RangeQuery): PageResult {
  const { incarnation, revision: newest, compactRevision } = history.position();
  const revision = query.atRevision ?? newest;
  if (revision > newest) return { kind: "not-yet", revision: newest };
  if (revision < compactRevision) return { kind: "compacted", compactRevision };

  const limit = query.limit ?? CATALOG_LIMITS.pageRecordsMax;
  const records: CatalogRecord[] = [];
  let bytes = 0;
  const { prefix, afterKey = "" } = query;
  for (const record of history.scan({ prefix, afterKey, atRevision: revision })) {
    if (records.length === limit || bytes > ANSWER_BYTES_MAX)
      return { kind: "page", incarnation, revision, records, more: true };
    records.push(record);
    bytes += record.key.length + record.value.length;
  }
  return { kind: "page", incarnation, revision, records, more: false };
}

/** The next revisions after this one, as many as fit one answer; none when it is the newest. */
export function readRevisions(history: History, afterRevision: number): RevisionsResult {
  const { compactRevision } = history.position();
  if (afterRevision < compactRevision) return { kind: "compacted", compactRevision };

  const revisions: Revision[] = [];
  let bytes = 0;
  for (const revision of history.revisionsAfter(afterRevision)) {
    revisions.push(revision);
    bytes += revisionBytes(revision);
    if (revisions.length === REVISIONS_MAX || bytes > ANSWER_BYTES_MAX) break;
  }
  return { kind: "revisions", revisions };
}

/** Roughly the memory it takes. */
export function revisionBytes({ changes }: Revision): number {
  let bytes = 0;
  for (const change of changes)
    bytes +=
      change.kind === "put"
        ? change.record.key.length + change.record.value.length
        : change.key.length;
  return bytes;
}

/** The key a change is about. */
export const changedKey = (change: Change): string =>
  change.kind === "put" ? change.record.key : change.key;

function applyOnce(
  history: History,
  transaction: Transaction,
  operationId: string | undefined,
): WriteOutcome {
  if (operationId === undefined) return applyTransaction(history, transaction);
  const known = history.recall(operationId);
  // What it changed was told to the watchers then.
  if (known !== undefined) return known.kind === "applied" ? { ...known, changes: [] } : known;
  const outcome = applyTransaction(history, transaction);
  // A conflict too: an earlier sending that comes later must not be made after its caller was told of the conflict.
  if (outcome.kind === "applied" || outcome.kind === "conflict")
    history.remember(operationId, outcome);
  return outcome;
}

function applyTransaction(history: History, transaction: Transaction): WriteOutcome {
  const { compares, operations } = transaction;
  const failed = compares.find((compare) => !compareHolds(compare, history.get(compare.key)));
  const { revision } = history.position();
  if (failed !== undefined) return { kind: "conflict", revision, failedKey: failed.key };

  for (const operation of operations) {
    if (operation.kind !== "put" || operation.leaseId === undefined) continue;
    if (!history.hasLease(operation.leaseId))
      return { kind: "unknown-lease", leaseId: operation.leaseId };
  }
  const changes = operations
    .map((operation) => change(operation, history.get(operation.key), revision + 1))
    .filter((change) => change !== undefined)
    .toSorted((a, b) => (changedKey(a) < changedKey(b) ? -1 : 1));
  return applied(history, changes);
}

/** Whether the record, or that there is none, is as the comparison says. */
export function compareHolds(
  compare: Compare,
  record: Pick<CatalogRecord, "createRevision" | "modRevision"> | undefined,
): boolean {
  switch (compare.kind) {
    case "absent":
      return record === undefined;
    case "present":
      return record !== undefined;
    case "modified-at":
      return record?.modRevision === compare.revision;
    case "created-at":
      return record?.createRevision === compare.revision;
  }
}

/** Deleting what is not there changes nothing. */
function change(
  operation: Operation,
  current: CatalogRecord | undefined,
  revision: number,
): Change | undefined {
  const { key } = operation;
  if (operation.kind === "delete") return current && { kind: "delete", key };
  return {
    kind: "put",
    record: {
      key,
      value: operation.value,
      createRevision: current?.createRevision ?? revision,
      modRevision: revision,
      leaseId: operation.leaseId ?? null,
    },
  };
}

function applied(history: History, changes: readonly Change[]): WriteOutcome {
  const { revision: newest } = history.position();
  if (changes.length === 0) return { kind: "applied", revision: newest, changes };
  history.append({ revision: newest + 1, changes });
  return { kind: "applied", revision: newest + 1, changes };
}
