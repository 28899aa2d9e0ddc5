import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { ReplicaEngine, StoredReplica } from "./replica-engine.ts";
import type { KeyRange, StrandedRecord } from "./replica-tables.ts";

/** What the engine does in steps; `state` comes with each answer, and the rest is the store's own business. */
export type EngineCall = Exclude<keyof ReplicaEngine, "state" | "checkpoint" | "close">;

/**
 * A replica's disk: one writer, whose steps are taken one after the other, and reads that need not wait. What is read is always
 * exactly what `state` describes: both change at once, when a step's answer is here. Contract:
 * `test/contract/replica-store.contract.ts`.
 */
export interface ReplicaStore {
  readonly state: () => StoredReplica;
  readonly run: <Call extends EngineCall>(
    call: Call,
    ...args: Parameters<ReplicaEngine[Call]>
  ) => Promise<ReturnType<ReplicaEngine[Call]>>;
  readonly reads: ReplicaReads;
  readonly close: () => Promise<void>;
}

/** Synchronous, from the index. `get`, `page` and `count` show stranded records instead of what the catalog has of their keys. */
export interface ReplicaReads {
  readonly get: (key: string) => CatalogRecord | undefined;
  readonly page: (prefix: string, afterKey: string, limit: number) => readonly CatalogRecord[];
  readonly count: (prefix: string) => number;
  /** The catalog's own, stranded ones left aside. */
  readonly copyOf: (key: string) => CatalogRecord | undefined;
  readonly copyPage: (range: KeyRange) => readonly CatalogRecord[];
  readonly strandedPage: (
    prefix: string,
    afterKey: string,
    limit: number,
  ) => readonly StrandedRecord[];
}

/** Follows every character that a key may have, and so ends the range of a prefix. */
export const AFTER_EVERY_KEY = "\x7f";
