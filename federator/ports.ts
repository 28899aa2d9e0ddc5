import type { ClusterView, ZoneStatus } from "#lib/contracts/api-status.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { MemberStatus } from "./core/leading/plan-catalog-tending.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";

/**
 * The zone's durable copy of the catalog: a prefix of its one history, on this zone's disk. Reads are synchronous and always of
 * exactly `position()`.
 */
export interface Replica {
  /** With stranded records its incarnation ends in `~` and their digest: the tables of such zones are not comparable with others'. */
  readonly position: () => Position;
  /** Since the catalog was last heard; infinite before the first time. */
  readonly ageMs: () => number;
  readonly get: (key: string) => CatalogRecord | undefined;
  /** All with the prefix, in order; for prefixes that are known to be small. */
  readonly list: (prefix: string) => readonly CatalogRecord[];
  /** Those with the prefix after the key (exclusive, empty for the start), in order, at most `limit`. */
  readonly page: (prefix: string, afterKey: string, limit: number) => readonly CatalogRecord[];
  readonly count: (prefix: string) => number;
  /** All with the prefix, in order, one by one from the disk; read to its end, or given up, before anything is awaited. */
  readonly scan: (prefix: string) => Iterable<CatalogRecord>;
  /** Records that a restored catalog lost and this zone keeps and serves until an operator decides. */
  readonly stranded: () => { readonly count: number };
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

/** The members of the catalog's etcd; the embedded catalog has none and tends itself. */
export interface CatalogMembers {
  /** What each may grow to. */
  readonly quotaBytes: number;
  /** Undefined for a member that does not answer. */
  readonly statuses: () => Promise<readonly (MemberStatus | undefined)[]>;
  /** The member answers nobody meanwhile. */
  readonly defragment: (endpoint: string) => Promise<void>;
}

/** What the API needs to know of the rest of the federation. */
export interface Federation {
  /**
   * Waits until the gateways of all zones, or gateways and agents, have the revision, at most `timeoutMs`; names those that have
   * and those that have not, and of zones that cannot be reached what they should have.
   */
  readonly waitFor: (wait: {
    readonly revision: number;
    readonly timeoutMs: number;
    readonly who: "gateways" | "everybody";
    readonly isWithdrawal?: boolean;
  }) => Promise<{ readonly ready: string[]; readonly waiting: string[] }>;
  readonly leader: () => string | null;
  /** How this federator itself sees the cluster now, by its own probes and what its zone says of its agent. */
  readonly sightOf: (clusterId: string) => NonNullable<ClusterView["sight"]>;
  readonly zoneStatus: () => ZoneStatus;
  /** Internal base URLs of the other zones' federators and of all agents, by zone, as discovered now. */
  readonly peers: () => Promise<ReadonlyMap<string, string>>;
  readonly agents: () => Promise<ReadonlyMap<string, string>>;
}
