import { changedKey, type Revision, revisionBytes } from "#lib/catalog/history.ts";
import { MeridianError } from "#lib/errors.ts";
import type { CatalogStore } from "#lib/io/catalog-store.ts";
import type { WatchEvent, WatchQuery } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";

const PROGRESS_INTERVAL_MS = 1_000;
/** What all watchers share of the newest history; one that falls behind it reads the store, and none holds a queue. */
const RECENT_REVISIONS_MAX = 1_000;
const RECENT_BYTES_MAX = 8 * 1024 * 1024;
/** One for all: nobody sees it, and an error with its stack for each watcher of each revision is not free. */
const WOKEN = new Error("there may be something new");

export interface HistoryWatchers {
  readonly tell: (revision: Revision) => void;
  readonly forget: (compactedRevision: number) => void;
  readonly watch: (query: WatchQuery, signal: AbortSignal) => AsyncIterable<WatchEvent>;
  /** Running watches fail: their streams are broken. */
  readonly close: () => void;
}

/** Each watcher is a position in the one history and moves at its reader's pace: a slow one costs no memory. */
export function watchHistory(store: CatalogStore, clock: Clock): HistoryWatchers {
  const { incarnation } = store.openedAt;
  const recent = recentRevisions(store.openedAt.revision);
  const sleepers = new Set<AbortController>();
  let isClosed = false;

  const wakeAll = () => {
    for (const sleeper of sleepers) sleeper.abort(WOKEN);
  };
  const pause = async (pauseMs: number, signal: AbortSignal): Promise<void> => {
    const sleeper = new AbortController();
    const wake = () => sleeper.abort(WOKEN);
    sleepers.add(sleeper);
    signal.addEventListener("abort", wake, { once: true });
    await clock.sleep(pauseMs, sleeper.signal).catch(() => undefined);
    signal.removeEventListener("abort", wake);
    sleepers.delete(sleeper);
  };
  const readAfter = async (revision: number, signal: AbortSignal) => {
    if (isClosed)
      throw new MeridianError(
        "MERIDIAN_CATALOG_UNAVAILABLE",
        "The catalog is closed; watch again.",
      );
    const revisions = recent.after(revision);
    return revisions === undefined
      ? await store.revisionsAfter(revision, signal)
      : ({ kind: "revisions", revisions } as const);
  };

  async function* follow(query: WatchQuery, signal: AbortSignal): AsyncGenerator<WatchEvent, void> {
    let { afterRevision } = query;
    let toldAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const step = await readAfter(afterRevision, signal);
      if (step.kind === "compacted") {
        yield { ...step, incarnation };
        return;
      }
      for (const { revision, changes } of step.revisions) {
        afterRevision = revision;
        const touched = changes.filter((change) => changedKey(change).startsWith(query.prefix));
        if (touched.length === 0) continue;
        yield { kind: "revision", incarnation, revision, changes: touched };
        if (signal.aborted) return;
        toldAtMs = clock.nowMs();
      }
      if (clock.nowMs() - toldAtMs >= PROGRESS_INTERVAL_MS) {
        yield { kind: "progress", incarnation, revision: Math.min(afterRevision, recent.newest()) };
        toldAtMs = clock.nowMs();
      }
      if (signal.aborted || isClosed || recent.newest() > afterRevision) continue;
      await pause(Math.max(0, PROGRESS_INTERVAL_MS - (clock.nowMs() - toldAtMs)), signal);
    }
  }

  return {
    tell: (revision) => {
      recent.add(revision);
      wakeAll();
    },
    forget: recent.forget,
    watch: async function* (query, signal) {
      try {
        yield* follow(query, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    close: () => {
      isClosed = true;
      wakeAll();
    },
  };
}

/** The newest revisions, without a gap. */
function recentRevisions(openedAtRevision: number) {
  let revisions: Revision[] = [];
  let bytes = 0;
  let newest = openedAtRevision;
  const dropOldest = (count: number) => {
    for (const dropped of revisions.slice(0, count)) bytes -= revisionBytes(dropped);
    revisions = revisions.slice(count);
  };
  return {
    newest: () => newest,
    add: (revision: Revision) => {
      newest = revision.revision;
      revisions.push(revision);
      bytes += revisionBytes(revision);
      // By halves, so that dropping costs little each.
      if (revisions.length > RECENT_REVISIONS_MAX || bytes > RECENT_BYTES_MAX)
        dropOldest(Math.ceil(revisions.length / 2));
    },
    /** Undefined when the revisions reach further back than this memory. */
    after: (revision: number): readonly Revision[] | undefined => {
      const skipped = revision - (newest - revisions.length);
      return skipped < 0 ? undefined : revisions.slice(skipped);
    },
    forget: (compactedRevision: number) =>
      dropOldest(Math.max(0, compactedRevision - (newest - revisions.length))),
  };
}
