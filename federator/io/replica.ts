import type { Logger } from "pino";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Catalog, Change } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { diffSnapshot, judgeRemovals, type Removals } from "../core/diff-snapshot.ts";
import { recordView } from "../core/record-view.ts";
import type { AppliedRevision, Replica } from "../ports.ts";
import { readSnapshot } from "./read-snapshot.ts";
import type { ReplicaStore } from "./replica-store.ts";

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** While a snapshot waits for an operator, the catalog is looked at again so often. */
const HELD_BACK_RETRY_MS = 5_000;

export interface ReplicaOptions {
  readonly catalog: Catalog;
  readonly store: ReplicaStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly acceptLargeRemovals: boolean;
}

export interface RunningReplica extends Replica {
  readonly keys: () => readonly string[];
  /** What a snapshot would have removed, while it waits for an operator; null while nothing waits. */
  readonly heldBack: () => Removals | null;
  readonly close: () => Promise<void>;
}

/**
 * Serves what is on disk at once, then follows the catalog for as long as it runs: each revision is durable here, together
 * with the position, before anybody sees it.
 */
export async function startReplica(options: ReplicaOptions): Promise<RunningReplica> {
  const { catalog, store, clock, random, log } = options;
  const stored = await store.load();
  const view = recordView(stored.records);
  const listeners = new Set<(applied: AppliedRevision) => void>();
  const closing = new AbortController();
  let position: Position = stored.position ?? { incarnation: "", revision: 0 };
  let heardAtMs = Number.NEGATIVE_INFINITY;
  let heldBack: Removals | null = null;

  const apply = async (
    next: Position,
    changes: readonly Change[],
    isSnapshot: boolean,
  ): Promise<void> => {
    await store.apply(next, changes);
    view.apply(changes);
    position = next;
    for (const listener of listeners) listener({ position, changes, isSnapshot });
  };

  const takeSnapshot = async (signal: AbortSignal): Promise<"applied" | "held-back"> => {
    const snapshot = await readSnapshot(catalog, signal);
    heardAtMs = clock.nowMs();
    const held = view.list("");
    const changes = diffSnapshot(held, snapshot.records);
    const removals = judgeRemovals(held, changes);
    if (removals.isSuspicious && !options.acceptLargeRemovals) {
      if (heldBack === null)
        log.error(
          { ...removals, position, catalog: snapshot.position },
          "the catalog lost many functions: this zone goes on with what it has until acceptLargeRemovals is set",
        );
      heldBack = removals;
      return "held-back";
    }
    heldBack = null;
    await apply(snapshot.position, changes, true);
    log.info({ position, changes: changes.length }, "snapshot applied");
    return "applied";
  };

  const followOnce = async (signal: AbortSignal): Promise<void> => {
    const now = await catalog.range({ prefix: "", limit: 1 }, signal);
    heardAtMs = clock.nowMs();
    const isContinued =
      now.kind === "page" &&
      now.incarnation === position.incarnation &&
      now.revision >= position.revision;
    if (!isContinued && (await takeSnapshot(signal)) === "held-back") return;
    const events = catalog.watch({ prefix: "", afterRevision: position.revision }, signal);
    for await (const event of events) {
      heardAtMs = clock.nowMs();
      const { incarnation } = event;
      if (event.kind === "compacted" || incarnation !== position.incarnation) {
        await takeSnapshot(signal);
        return;
      }
      if (event.revision <= position.revision) continue;
      const changes = event.kind === "revision" ? event.changes : [];
      await apply({ incarnation, revision: event.revision }, changes, false);
    }
  };

  const follow = async (): Promise<void> => {
    let failures = 0;
    while (!closing.signal.aborted) {
      const startedAtMs = clock.nowMs();
      try {
        await followOnce(closing.signal);
      } catch (error) {
        if (!closing.signal.aborted) log.warn({ err: error }, "the catalog cannot be followed");
      }
      failures = clock.nowMs() - startedAtMs > RETRY_MAX_MS ? 0 : failures + 1;
      const longest = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
      const pauseMs = heldBack === null ? random.next() * longest : HELD_BACK_RETRY_MS;
      await clock.sleep(pauseMs, closing.signal).catch(() => undefined);
    }
  };
  const following = follow();

  return {
    position: () => position,
    ageMs: () => clock.nowMs() - heardAtMs,
    get: view.get,
    list: view.list,
    keys: view.keys,
    heldBack: () => heldBack,
    waitFor: (revision, signal) =>
      waitForRevision(
        revision,
        AbortSignal.any([signal, closing.signal]),
        () => position,
        listeners,
      ),
    onApplied: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      closing.abort(new Error("the replica was closed"));
      await following;
      await store.close();
    },
  };
}

function waitForRevision(
  revision: number,
  signal: AbortSignal,
  position: () => Position,
  listeners: Set<(applied: AppliedRevision) => void>,
): Promise<void> {
  if (position().revision >= revision) return Promise.resolve();
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      listeners.delete(onApplied);
      signal.removeEventListener("abort", onAbort);
    };
    const onApplied = (applied: AppliedRevision): void => {
      if (applied.position.revision < revision) return;
      finish();
      resolve();
    };
    const onAbort = (): void => {
      finish();
      reject(signal.reason as Error);
    };
    listeners.add(onApplied);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
