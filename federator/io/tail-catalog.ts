import type { Logger } from "pino";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { diffSnapshot, judgeRemovals, type Removals } from "../core/diff-snapshot.ts";
import { readSnapshot } from "./read-snapshot.ts";
import type { ReplicaState } from "./replica-state.ts";

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** While a snapshot waits for an operator, the catalog is looked at again so often. */
const HELD_BACK_RETRY_MS = 5_000;

export interface TailOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** An operator's word that a catalog which lost many functions is right. */
  readonly acceptLargeRemovals: boolean;
}

export interface Tail {
  /** When the catalog was last heard, in `clock.nowMs()`; minus infinity before that. */
  readonly heardAtMs: () => number;
  /** What a snapshot would have removed, while it waits for an operator; null while nothing waits. */
  readonly heldBack: () => Removals | null;
  /** Resolves after the signal; never rejects. */
  readonly ended: Promise<void>;
}

/** Brings the replica to the catalog's newest revision and keeps it there: step by step, or by a snapshot where a step is gone. */
export function tailCatalog(state: ReplicaState, options: TailOptions, signal: AbortSignal): Tail {
  const { catalog, clock, random, log } = options;
  let heardAtMs = Number.NEGATIVE_INFINITY;
  let heldBack: Removals | null = null;

  const takeSnapshot = async (): Promise<"applied" | "held-back"> => {
    const snapshot = await readSnapshot(catalog, signal);
    heardAtMs = clock.nowMs();
    const held = state.view.list("");
    const changes = diffSnapshot(held, snapshot.records);
    const removals = judgeRemovals(held, changes);
    if (removals.isSuspicious && !options.acceptLargeRemovals) {
      if (heldBack === null)
        log.error(
          { ...removals, position: state.position(), catalog: snapshot.position },
          "the catalog lost many functions: this zone goes on with what it has until acceptLargeRemovals is set",
        );
      heldBack = removals;
      return "held-back";
    }
    heldBack = null;
    await state.apply(snapshot.position, changes, true);
    log.info({ position: snapshot.position, changes: changes.length }, "snapshot applied");
    return "applied";
  };

  const followOnce = async (): Promise<void> => {
    const now = await catalog.range({ prefix: "", limit: 1 }, signal);
    heardAtMs = clock.nowMs();
    const before = state.position();
    const isContinued =
      now.kind === "page" &&
      now.incarnation === before.incarnation &&
      now.revision >= before.revision;
    if (!isContinued && (await takeSnapshot()) === "held-back") return;
    const { incarnation, revision } = state.position();
    for await (const event of catalog.watch({ prefix: "", afterRevision: revision }, signal)) {
      heardAtMs = clock.nowMs();
      if (event.kind === "compacted" || event.incarnation !== incarnation) {
        await takeSnapshot();
        return;
      }
      if (event.revision <= state.position().revision) continue;
      const changes = event.kind === "revision" ? event.changes : [];
      await state.apply({ incarnation, revision: event.revision }, changes, false);
    }
  };

  const follow = async (): Promise<void> => {
    let failures = 0;
    while (!signal.aborted) {
      const startedAtMs = clock.nowMs();
      try {
        await followOnce();
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, "the catalog cannot be followed");
      }
      failures = clock.nowMs() - startedAtMs > RETRY_MAX_MS ? 0 : failures + 1;
      const longestMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
      const pauseMs = heldBack === null ? random.next() * longestMs : HELD_BACK_RETRY_MS;
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  };
  return { heardAtMs: () => heardAtMs, heldBack: () => heldBack, ended: follow() };
}
