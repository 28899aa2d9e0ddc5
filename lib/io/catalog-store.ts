import type {
  CatalogWrite,
  HistoryPosition,
  Lease,
  PageResult,
  Revision,
  RevisionsResult,
  WriteOutcome,
} from "#lib/catalog/history.ts";
import type { RangeQuery } from "#lib/ports/catalog.ts";

/** A history behind a door that may be slow or fail: what a catalog driver of this project has to bring. */
export interface CatalogStore {
  /** Where it stood when it was opened. */
  readonly openedAt: HistoryPosition;
  readonly openLeases: readonly Lease[];
  /** Resolves once durable; rejects with a `MeridianError` by its deadline or when the signal aborts. */
  readonly write: (write: CatalogWrite, signal?: AbortSignal) => Promise<WriteOutcome>;
  readonly page: (query: RangeQuery, signal?: AbortSignal) => Promise<PageResult>;
  readonly revisionsAfter: (revision: number, signal?: AbortSignal) => Promise<RevisionsResult>;
  /** Hears each durable revision in order, before its writer does. One listener. */
  readonly onRevision: (listener: (revision: Revision) => void) => void;
  readonly close: () => Promise<void>;
}
