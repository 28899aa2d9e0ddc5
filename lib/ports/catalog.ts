/**
 * The authoritative metadata: an ordered history of transactions over string keys. Contract: `test/contract/catalog.contract.ts`,
 * run on every driver. Every call ends by its deadline (10 s) or when its signal aborts, and fails with a `MeridianError`:
 * MERIDIAN_CATALOG_UNAVAILABLE (nothing happened) or MERIDIAN_WRITE_AMBIGUOUS (a transaction may have been committed, and what
 * became of it could not be learnt in time). Revisions increase and need not be consecutive: a store may be shared with others,
 * and so may its compactions.
 */
export interface Catalog {
  /** All operations in one revision, if every comparison holds. At most 100 operations, 1 MB. */
  readonly txn: (transaction: Transaction, signal?: AbortSignal) => Promise<TxnResult>;
  /** Records with the prefix in key order, at one revision; the newest when `atRevision` is absent. */
  readonly range: (query: RangeQuery, signal?: AbortSignal) => Promise<RangeResult>;
  /**
   * Every revision after `afterRevision` that touched the prefix, in order, none twice and none missing; `progress` at least
   * each second while nothing happens. Ends after `compacted`; throws MERIDIAN_CATALOG_UNAVAILABLE when the stream breaks and, if
   * the driver replaces broken streams, stays broken.
   */
  readonly watch: (query: WatchQuery, signal: AbortSignal) => AsyncIterable<WatchEvent>;
  /**
   * Records put with the lease are deleted in one revision when it is not renewed for `ttlMs`: never sooner, and as soon as the store
   * can. etcd counts whole seconds from 1.5 election timeouts (2 s) up, and begins anew when its leader changes.
   */
  readonly grantLease: (ttlMs: number, signal?: AbortSignal) => Promise<string>;
  /** Counts from when it was sent, which is all that a holder knows. */
  readonly renewLease: (leaseId: string, signal?: AbortSignal) => Promise<"renewed" | "gone">;
  readonly revokeLease: (leaseId: string, signal?: AbortSignal) => Promise<void>;
  /** Forgets history up to and including the revision; current records stay. */
  readonly compact: (revision: number, signal?: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

export type Compare =
  | { readonly kind: "absent"; readonly key: string }
  | { readonly kind: "present"; readonly key: string }
  /** The record was last written by exactly this revision. */
  | { readonly kind: "modified-at"; readonly key: string; readonly revision: number }
  /** The record was created by exactly this revision: the fencing token of an election. */
  | { readonly kind: "created-at"; readonly key: string; readonly revision: number };

export type Operation =
  | {
      readonly kind: "put";
      readonly key: string;
      readonly value: string;
      readonly leaseId?: string;
    }
  | { readonly kind: "delete"; readonly key: string };

export interface Transaction {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
}

/** `conflict` names the first comparison that failed; nothing was written. */
export type TxnResult =
  | { readonly kind: "committed"; readonly revision: number }
  | { readonly kind: "conflict"; readonly revision: number; readonly failedKey: string };

export interface CatalogRecord {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly leaseId: string | null;
}

export interface RangeQuery {
  readonly prefix: string;
  readonly atRevision?: number;
  /** Exclusive start, the last key of the page before. */
  readonly afterKey?: string;
  /** 1 to 2,000. */
  readonly limit?: number;
}

/** `compacted`: the asked revision is no longer kept. */
export type RangeResult =
  | {
      readonly kind: "page";
      readonly incarnation: string;
      readonly revision: number;
      readonly records: readonly CatalogRecord[];
      readonly more: boolean;
    }
  | { readonly kind: "compacted"; readonly compactRevision: number };

export interface WatchQuery {
  readonly prefix: string;
  readonly afterRevision: number;
}

export type Change =
  | { readonly kind: "put"; readonly record: CatalogRecord }
  | { readonly kind: "delete"; readonly key: string };

export type WatchEvent =
  | {
      readonly kind: "revision";
      readonly incarnation: string;
      readonly revision: number;
      readonly changes: readonly Change[];
    }
  | { readonly kind: "progress"; readonly incarnation: string; readonly revision: number }
  | { readonly kind: "compacted"; readonly incarnation: string; readonly compactRevision: number };
