import type { RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { readEntry } from "#lib/kept-entry.ts";
import { versionsPlacedHere } from "../core/versions-placed-here.ts";
import type { CodeCache } from "./code-cache.ts";
import { tendTable } from "./tend-table.ts";

/** Share of the cache that code nobody has called yet may fill. */
const CACHE_SHARE = 0.5;

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
  feed: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  code: CodeCache,
  clock: Clock,
): Prefetching {
  /** By digest, in the order in which they are fetched. */
  const wanted = new Map<string, RouteVersion>();
  /** As much as the cache has room for. */
  function* inReach(): Generator<RouteVersion> {
    let bytes = 0;
    for (const version of wanted.values()) {
      bytes += version.codeBytes;
      if (bytes > code.bytesMax * CACHE_SHARE) return;
      yield version;
    }
  }
  const fetchWanted = async (signal: AbortSignal): Promise<void> => {
    let hasFailed = false;
    for (const { codeDigest, codeBytes } of inReach()) {
      if (signal.aborted) return;
      try {
        if (!code.has(codeDigest)) (await code.hold(codeDigest, codeBytes)).release();
        wanted.delete(codeDigest);
      } catch {
        // The cache has said why.
        hasFailed = true;
      }
    }
    if (hasFailed) tryAgain();
  };
  const tender = tendTable({
    feed,
    clock,
    // What is not placed here any more is not fetched any more, unless the entry that comes instead wants it too.
    onChange: ({ before }) => {
      if (wanted.size === 0) return;
      for (const { codeDigest } of versionsPlacedHere(readEntry(before), zone))
        wanted.delete(codeDigest);
    },
    look: (_key, entry) => {
      for (const version of versionsPlacedHere(entry, zone))
        if (!code.has(version.codeDigest)) wanted.set(version.codeDigest, version);
    },
    act: fetchWanted,
  });
  const tryAgain = tender.actAgainIn(RETRY_MS);
  return {
    missing: () =>
      inReach()
        .map((version) => version.codeDigest)
        .filter((digest) => !code.has(digest))
        .take(REPORTED_MAX)
        .toArray(),
    close: tender.close,
  };
}
