import type { ZoneStatus } from "#lib/contracts/api.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/** The zone's durable copy of the catalog: a prefix of its one history, in memory and on this zone's disk. */
export interface Replica {
  readonly position: () => Position;
  /** Since the catalog was last heard; infinite before the first time. */
  readonly ageMs: () => number;
  readonly get: (key: string) => CatalogRecord | undefined;
  /** All with the prefix, in order; for prefixes that are known to be small. */
  readonly list: (prefix: string) => readonly CatalogRecord[];
  /** Those with the prefix after the key (exclusive, empty for the start), in order, at most `limit`. */
  readonly page: (prefix: string, afterKey: string, limit: number) => readonly CatalogRecord[];
  readonly count: (prefix: string) => number;
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

/**
 * How this federator reaches the clusters and the other federators. In simulation: a network that loses, delays and repeats. Each
 * call ends with its signal.
 */
export interface Links {
  /** `refused`: there is no such process; `silent`: no answer before the signal aborted. Never rejects. */
  readonly ping: (zone: string, signal: AbortSignal) => Promise<"answered" | "refused" | "silent">;
  /** Tells the federator of another zone what this one sees; rejects when it did not listen. */
  readonly tell: (zone: string, observation: Observation, signal: AbortSignal) => Promise<void>;
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
