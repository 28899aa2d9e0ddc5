import type { Logger } from "pino";
import type { RouteEntry, RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { type EntryChange, readEntry } from "#lib/route-table-state.ts";
import { allowsZone } from "#lib/residency.ts";
import type { CodeCache } from "./code-cache.ts";

/** Share of the cache that code nobody has called yet may fill. */
const CACHE_SHARE = 0.5;

/** After so many entries that were looked at, calls are served before the next. */
const ENTRIES_AT_ONCE = 200;

/** What could not be fetched is tried again after this time, or with the next change of the table. */
const RETRY_MS = 5_000;
/** Digests that a report may name. */
const REPORTED_MAX = 100;

export interface Prefetching {
  /** Code of the table that is not here yet, the first hundred digests; what is too much for the cache waits for its call. */
  readonly missing: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** Fetches the code of what may be placed here before anybody calls it. */
export function prefetchCode(
  { table, onChanges }: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  code: CodeCache,
  clock: Clock,
  log: Logger,
): Prefetching {
  const stopping = new AbortController();
  /** By digest, in the order in which they are fetched. */
  const wanted = new Map<string, RouteVersion>();
  /** Entries that are still to be looked at. */
  const unseen = new Set<string>(table.get()?.entries.keys());

  const look = async (): Promise<void> => {
    let count = 0;
    for (const key of unseen) {
      unseen.delete(key);
      for (const version of placedHere(table.get()?.entries.get(key), zone))
        if (!code.has(version.codeDigest)) wanted.set(version.codeDigest, version);
      count += 1;
      if (count % ENTRIES_AT_ONCE === 0) await clock.sleep(0, stopping.signal);
    }
  };
  /** As much as the cache has room for. */
  function* inReach(): Generator<RouteVersion> {
    let bytes = 0;
    for (const version of wanted.values()) {
      bytes += version.codeBytes;
      if (bytes > code.bytesMax * CACHE_SHARE) return;
      yield version;
    }
  }
  const fetchWanted = async (): Promise<void> => {
    let hasFailed = false;
    for (const { codeDigest, codeBytes } of inReach()) {
      if (stopping.signal.aborted) return;
      try {
        if (!code.has(codeDigest)) (await code.hold(codeDigest, codeBytes)).release();
        wanted.delete(codeDigest);
      } catch (error) {
        hasFailed = true;
        log.warn({ err: error, digest: codeDigest }, "code is not here yet");
      }
    }
    if (hasFailed) retryLater();
  };
  let isRetrying = false;
  const retryLater = (): void => {
    if (isRetrying) return;
    isRetrying = true;
    const retry = (): void => {
      isRetrying = false;
      fetching.offer();
    };
    clock.sleep(RETRY_MS, stopping.signal).then(retry, () => undefined);
  };
  const fetching = oneAtATime<void>(async () => {
    // The table that a change belongs to comes right after it.
    await Promise.resolve();
    await look().catch(() => undefined);
    await fetchWanted();
  });

  fetching.offer();
  const stop = onChanges((changes) => {
    for (const change of changes) noteUnseen(change, zone, unseen, wanted);
    fetching.offer();
  });
  return {
    missing: () =>
      inReach()
        .map((version) => version.codeDigest)
        .filter((digest) => !code.has(digest))
        .take(REPORTED_MAX)
        .toArray(),
    close: async () => {
      stopping.abort();
      stop();
      await fetching.settled();
    },
  };
}

/** What is not placed here any more is not fetched any more, unless the entry that comes instead wants it too. */
function noteUnseen(
  { key, before }: EntryChange,
  zone: Zone,
  unseen: Set<string>,
  wanted: Map<string, RouteVersion>,
): void {
  if (!key.startsWith("function/")) return;
  unseen.add(key);
  if (wanted.size === 0) return;
  for (const { codeDigest } of placedHere(readEntry(before), zone)) wanted.delete(codeDigest);
}

const placedHere = (entry: RouteEntry | undefined, zone: Zone): readonly RouteVersion[] =>
  entry?.kind === "function"
    ? entry.versions.filter(({ manifest }) => allowsZone(manifest.placement.regions, zone))
    : [];
