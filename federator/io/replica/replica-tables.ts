import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";

/** A record that a restored catalog lost. */
export interface StrandedRecord extends Omit<CatalogRecord, "leaseId"> {
  /** The catalog has said something else of this key since: shown to the operator, served to nobody. */
  readonly isSuperseded: boolean;
}

/** After the key (exclusive), up to another (inclusive; undefined for the end), in order, at most `limit`. */
export interface KeyRange {
  readonly afterKey: string;
  readonly toKey?: string | undefined;
  readonly limit: number;
}

/**
 * What a replica keeps on its disk, one step at a time, for one writer. Writes between `begin` and `commit` become durable
 * together or not at all; reads see them at once.
 */
export interface ReplicaTables {
  readonly begin: () => void;
  readonly commit: () => void;
  readonly rollback: () => void;

  readonly get: (key: string) => CatalogRecord | undefined;
  readonly put: (record: CatalogRecord) => void;
  readonly remove: (key: string) => void;
  readonly page: (range: KeyRange) => readonly CatalogRecord[];
  readonly count: (prefix: string) => number;

  readonly stranded: (key: string) => StrandedRecord | undefined;
  readonly putStranded: (record: StrandedRecord) => void;
  readonly removeStranded: (key: string) => void;
  readonly removeAllStranded: () => void;

  readonly cursor: () => Position | undefined;
  readonly setCursor: (position: Position) => void;
  /** Sums of all buckets, 16 bytes each, big-endian; undefined before they were ever written. */
  readonly sums: () => Uint8Array | undefined;
  readonly setSums: (sums: Uint8Array) => void;
  /** Small things by name, as text. */
  readonly note: (name: string) => string | undefined;
  readonly setNote: (name: string, text: string) => void;

  /** Moves what was committed out of the log into the file, as far as no reader is in its way. */
  readonly checkpoint: () => void;
  readonly close: () => void;
}
