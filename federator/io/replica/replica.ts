import type { Position } from "#lib/contracts/route-table.ts";
import type { Removals } from "../../core/replica/diff-snapshot.ts";
import type { Replica } from "../../ports.ts";
import type { StrandedCount } from "./stranded-ledger.ts";
import { type ReplicaState, replicaState } from "./replica-state.ts";
import type { ReplicaStore } from "./replica-store.ts";
import {
  type CatalogHistory,
  type Refusal,
  tailCatalog,
  type TailOptions,
} from "./tail-catalog.ts";

export interface ReplicaOptions extends TailOptions {
  readonly store: ReplicaStore;
}

export interface RunningReplica extends Replica {
  /** Where in the catalog's history it is; undefined before the first revision. */
  readonly cursor: () => Position | undefined;
  readonly strandedCount: () => StrandedCount;
  /** What a snapshot would have removed, while it waits for an operator; null while nothing waits. */
  readonly heldBack: () => Removals | null;
  /** Why the catalog that is there is not followed; null while it is. */
  readonly refusal: () => Refusal | null;
  /** Resolves once the catalog was looked at for the first time, or could not be. */
  readonly looked: Promise<void>;
  /** See `Tail`. */
  readonly history: () => CatalogHistory;
  readonly turns: () => number;
  /** An operator's word on what is held back; false when nothing is. */
  readonly accept: () => boolean;
  /** Looks at the catalog now rather than after a pause. */
  readonly wake: () => void;
  /** For what keeps it in order. */
  readonly state: ReplicaState;
  readonly close: () => Promise<void>;
}

/**
 * Serves what is on disk at once, then follows the catalog for as long as it runs: each revision is durable here, together
 * with the position, before anybody sees it. Owns the store.
 */
export function startReplica(options: ReplicaOptions): RunningReplica {
  const { store, clock } = options;
  const state = replicaState(store);
  const closing = new AbortController();
  const tail = tailCatalog(state, options, closing.signal);
  return {
    position: state.position,
    cursor: state.cursor,
    ageMs: () => clock.nowMs() - tail.heardAtMs(),
    get: state.get,
    list: state.list,
    page: state.page,
    count: state.count,
    scan: state.scan,
    stranded: state.stranded,
    strandedCount: () => state.stored().stranded,
    heldBack: tail.heldBack,
    refusal: tail.refusal,
    looked: tail.looked,
    history: tail.history,
    turns: tail.turns,
    accept: tail.accept,
    wake: tail.wake,
    state,
    waitFor: (revision, signal) =>
      state.waitFor(revision, AbortSignal.any([signal, closing.signal])),
    onApplied: state.onApplied,
    close: async () => {
      closing.abort(new Error("the replica was closed"));
      await tail.ended;
      // Whoever holds the copy now finishes first.
      await state.exclusively(async () => undefined);
      await store.close();
    },
  };
}
