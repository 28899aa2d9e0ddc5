import type { ZoneStatus } from "#lib/contracts/api.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** The zone's durable copy of the catalog: a prefix of its one history, in memory and on this zone's disk. */
export interface Replica {
  readonly position: () => Position;
  /** Since the catalog was last heard; infinite before the first time. */
  readonly ageMs: () => number;
  readonly get: (key: string) => CatalogRecord | undefined;
  readonly list: (prefix: string) => readonly CatalogRecord[];
  /** Resolves once the replica has applied the revision: how a writer reads its own write. */
  readonly waitFor: (revision: number, signal: AbortSignal) => Promise<void>;
  /** Called after each applied revision is durable, in order; a snapshot after compaction comes as one. */
  readonly onApplied: (listener: (applied: AppliedRevision) => void) => () => void;
}

export interface AppliedRevision {
  readonly position: Position;
  readonly changes: readonly Change[];
  /** True for a snapshot: single revisions of the gap are not known. */
  readonly isSnapshot: boolean;
}

/** What the API needs to know of the rest of the federation. */
export interface Federation {
  /** Waits until gateways of all zones have the revision, at most `timeoutMs`; names those that have and have not. */
  readonly waitForGateways: (
    revision: number,
    timeoutMs: number,
  ) => Promise<{ readonly ready: string[]; readonly waiting: string[] }>;
  readonly leader: () => string | null;
  readonly zoneStatus: () => ZoneStatus;
  /** Internal base URLs of the other zones' federators and of all agents, by zone, as discovered now. */
  readonly peers: () => Promise<ReadonlyMap<string, string>>;
  readonly agents: () => Promise<ReadonlyMap<string, string>>;
}
