import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { EntryChange } from "#lib/route-table-state.ts";

/** After so many entries that were looked at, calls are served before the next. */
const ENTRIES_AT_ONCE = 200;

export interface TableTenderOptions {
  readonly feed: Pick<FeedFollower, "table" | "onChanges">;
  readonly clock: Clock;
  /** A function's entry is about to change, and will be looked at. */
  readonly onChange?: (change: EntryChange) => void;
  /** What the table has under the key by now; undefined: nothing. */
  readonly look: (key: string, entry: RouteEntry | undefined) => void;
  /** Acts on what was seen, never twice at the same time; must not reject. */
  readonly act: (signal: AbortSignal) => Promise<void>;
}

export interface TableTender {
  /** Gives what makes the tender act again after the time, once however often it is called meanwhile. */
  readonly actAgainIn: (delayMs: number) => () => void;
  readonly close: () => Promise<void>;
}

/** Looks at the table's entries, and at functions again as they change, and acts on what it saw. */
export function tendTable(options: TableTenderOptions): TableTender {
  const { feed, clock, onChange, look, act } = options;
  const { table } = feed;
  const stopping = new AbortController();
  const { signal } = stopping;
  const unseen = new Set<string>(table.get()?.entries.keys());

  const lookAtAll = async (): Promise<void> => {
    let count = 0;
    for (const key of unseen) {
      unseen.delete(key);
      look(key, table.get()?.entries.get(key));
      count += 1;
      if (count % ENTRIES_AT_ONCE === 0) await clock.sleep(0, signal);
    }
  };
  const work = oneAtATime<void>(async () => {
    // The table that a change belongs to comes right after it.
    await Promise.resolve();
    await lookAtAll().catch(() => undefined);
    await act(signal);
  });

  work.offer();
  const stop = feed.onChanges((changes) => {
    for (const change of changes) {
      if (!change.key.startsWith("function/")) continue;
      unseen.add(change.key);
      onChange?.(change);
    }
    work.offer();
  });
  return {
    actAgainIn: (delayMs) => {
      let isWaiting = false;
      const wake = (): void => {
        isWaiting = false;
        work.offer();
      };
      return () => {
        if (isWaiting) return;
        isWaiting = true;
        clock.sleep(delayMs, signal).then(wake, () => undefined);
      };
    },
    close: async () => {
      stopping.abort();
      stop();
      await work.settled();
    },
  };
}
