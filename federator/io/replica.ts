import type { Removals } from "../core/diff-snapshot.ts";
import type { Replica } from "../ports.ts";
import { replicaState } from "./replica-state.ts";
import type { ReplicaStore } from "./replica-store.ts";
import { tailCatalog, type TailOptions } from "./tail-catalog.ts";

export interface ReplicaOptions extends TailOptions {
  readonly store: ReplicaStore;
}

export interface RunningReplica extends Replica {
  readonly keys: () => readonly string[];
  /** What a snapshot would have removed, while it waits for an operator; null while nothing waits. */
  readonly heldBack: () => Removals | null;
  readonly close: () => Promise<void>;
}

/**
 * Serves what is on disk at once, then follows the catalog for as long as it runs: each revision is durable here, together
 * with the position, before anybody sees it. Owns the store.
 */
export async function startReplica(options: ReplicaOptions): Promise<RunningReplica> {
  const { store, clock } = options;
  const state = replicaState(await store.load(), store);
  const closing = new AbortController();
  const tail = tailCatalog(state, options, closing.signal);
  return {
    position: state.position,
    ageMs: () => clock.nowMs() - tail.heardAtMs(),
    get: state.view.get,
    list: state.view.list,
    page: (prefix, afterKey, limit) =>
      state.view
        .list(prefix)
        .filter(({ key }) => key > afterKey)
        .slice(0, limit),
    count: (prefix) => state.view.list(prefix).length,
    keys: state.view.keys,
    heldBack: tail.heldBack,
    waitFor: (revision, signal) =>
      state.waitFor(revision, AbortSignal.any([signal, closing.signal])),
    onApplied: state.onApplied,
    close: async () => {
      closing.abort(new Error("the replica was closed"));
      await tail.ended;
      await store.close();
    },
  };
}
