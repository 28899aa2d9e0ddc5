import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord, Change } from "#lib/ports/catalog.ts";
import type { AppliedRevision, Replica } from "../../ports.ts";
import type { StoredReplica } from "./replica-engine.ts";
import type { ReplicaReads, ReplicaStore } from "./replica-store.ts";

const SCAN_RECORDS = 1_000;
/** Digests of so many positions are kept, to be compared with those of replicas that are a little behind or ahead. */
const REMEMBERED_POSITIONS = 64;

export interface DigestedPosition {
  readonly position: Position;
  readonly sums: Uint8Array;
}

/** The records of one position on disk, and who is told when it changes; a revision is seen by nobody before it is durable. */
export interface ReplicaState extends Omit<Replica, "ageMs"> {
  /** Where in the catalog's history this copy is, whatever else it shows. */
  readonly cursor: () => Position | undefined;
  readonly stored: () => StoredReplica;
  readonly reads: ReplicaReads;
  readonly run: ReplicaStore["run"];
  /** Newest first. */
  readonly digests: () => readonly DigestedPosition[];
  /** Waits until no other work holds the copy, and keeps others from it until this work is done. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  /** Takes the digests as they are now for those of this position. */
  readonly remember: () => void;
  /** Tells everybody what a step has just made durable. */
  readonly tell: (changes: readonly Change[], isSnapshot: boolean) => void;
}

/** Before the first revision. */
const NOWHERE: Position = { incarnation: "", revision: 0 };

export function replicaState(store: ReplicaStore): ReplicaState {
  const { reads } = store;
  const listeners = new Set<(applied: AppliedRevision) => void>();
  let digests: readonly DigestedPosition[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let shown = position(store.state());

  const remember = (): void => {
    const { position: cursor, sums } = store.state();
    if (cursor === undefined || sums === undefined) return;
    const others = digests.filter(
      ({ position: { incarnation, revision } }) =>
        incarnation === cursor.incarnation && revision !== cursor.revision,
    );
    digests = [{ position: cursor, sums }, ...others].slice(0, REMEMBERED_POSITIONS);
  };
  remember();
  const onApplied: Replica["onApplied"] = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    reads,
    run: store.run,
    stored: store.state,
    cursor: () => store.state().position,
    remember,
    digests: () => digests,
    position: () => position(store.state()),
    get: reads.get,
    list: (prefix) => reads.page(prefix, "", Number.MAX_SAFE_INTEGER),
    page: reads.page,
    count: reads.count,
    scan: (prefix) => scan(reads, prefix),
    stranded: () => {
      const { served, superseded } = store.state().stranded;
      return { count: served + superseded };
    },
    exclusively: (work) => {
      const result = last.then(work);
      last = result.catch(() => undefined);
      return result;
    },
    tell: (changes, isSnapshot) => {
      const before = shown;
      shown = position(store.state());
      remember();
      // Records came or went that are in no revision: whatever was made of the old ones is to be made anew.
      const isElsewhere = before.incarnation !== shown.incarnation;
      for (const listener of listeners)
        listener({ position: shown, changes, isSnapshot: isSnapshot || isElsewhere });
    },
    onApplied,
    waitFor: (revision, signal) => {
      const isThere = (): boolean => (store.state().position?.revision ?? 0) >= revision;
      if (isThere()) return Promise.resolve();
      signal.throwIfAborted();
      const reached = Promise.withResolvers<void>();
      const stop = onApplied(() => {
        if (isThere()) reached.resolve();
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

/**
 * With stranded records, this zone's tables are not those that other zones have at the same revision: the suffix keeps the two
 * apart everywhere, while the cursor goes on in the catalog's history.
 */
function position({ position: cursor, stranded }: StoredReplica): Position {
  if (cursor === undefined) return NOWHERE;
  if (stranded.served === 0) return cursor;
  return { ...cursor, incarnation: `${cursor.incarnation}~${stranded.digest}` };
}

function* scan(reads: ReplicaReads, prefix: string): Generator<CatalogRecord, void, undefined> {
  let afterKey = "";
  for (;;) {
    const page = reads.page(prefix, afterKey, SCAN_RECORDS);
    yield* page;
    const lastKey = page.at(-1)?.key;
    if (page.length < SCAN_RECORDS || lastKey === undefined) return;
    afterKey = lastKey;
  }
}
