import type { Position } from "#lib/contracts/route-table.ts";
import type { Change } from "#lib/ports/catalog.ts";
import { type RecordView, recordView } from "../core/record-view.ts";
import type { AppliedRevision, Replica } from "../ports.ts";
import type { ReplicaStore, StoredReplica } from "./replica-store.ts";

/** The records of one position, on disk and in memory; a revision is seen by nobody before it is durable. */
export interface ReplicaState extends Pick<Replica, "position" | "waitFor" | "onApplied"> {
  readonly view: RecordView;
  readonly apply: (
    next: Position,
    changes: readonly Change[],
    isSnapshot: boolean,
  ) => Promise<void>;
}

export function replicaState(stored: StoredReplica, store: ReplicaStore): ReplicaState {
  const view = recordView(stored.records);
  const listeners = new Set<(applied: AppliedRevision) => void>();
  let position: Position = stored.position ?? { incarnation: "", revision: 0 };

  const onApplied = (listener: (applied: AppliedRevision) => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    view,
    position: () => position,
    onApplied,
    apply: async (next, changes, isSnapshot) => {
      await store.apply(next, changes);
      view.apply(changes);
      position = next;
      for (const listener of listeners) listener({ position, changes, isSnapshot });
    },
    waitFor: (revision, signal) => {
      if (position.revision >= revision) return Promise.resolve();
      signal.throwIfAborted();
      const reached = Promise.withResolvers<void>();
      const stop = onApplied((applied) => {
        if (applied.position.revision >= revision) reached.resolve();
      });
      const onAbort = (): void => reached.reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      return reached.promise.finally(() => {
        stop();
        signal.removeEventListener("abort", onAbort);
      });
    },
  };
}
