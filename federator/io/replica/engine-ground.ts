import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { ReplicaTables } from "./replica-tables.ts";
import type { StrandedLedger } from "./stranded-ledger.ts";

/** A key as the newest revision left it; null: deleted. */
export interface Witness {
  readonly key: string;
  readonly modRevision: number | null;
}

/** What the engine's parts share. */
export interface EngineGround {
  readonly tables: ReplicaTables;
  readonly stranded: StrandedLedger;
  /** Makes the catalog's own copy say this of the key. */
  readonly set: (key: string, record: CatalogRecord | undefined) => void;
  readonly setWitnesses: (witnesses: readonly Witness[]) => void;
  readonly commit: () => void;
  readonly rollback: () => void;
}
