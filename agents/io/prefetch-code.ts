import type { Logger } from "pino";
import type { RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { allowsZone } from "#lib/residency.ts";
import type { CodeCache } from "./code-cache.ts";

/** Share of the cache that code nobody has called yet may fill. */
const CACHE_SHARE = 0.5;

/** Fetches the code of what may be placed here before anybody calls it; what fails is tried again with the next table. */
export function prefetchCode(
  table: LatestValue<RouteTable | undefined>,
  zone: Zone,
  code: CodeCache,
  log: Logger,
): { readonly close: () => Promise<void> } {
  let isClosed = false;
  const fetching = oneAtATime<RouteTable>(async (newest) => {
    let bytes = 0;
    for (const version of placedHere(newest, zone)) {
      bytes += version.codeBytes;
      if (isClosed || bytes > code.bytesMax * CACHE_SHARE) return;
      if (code.has(version.codeDigest)) continue;
      try {
        (await code.hold(version.codeDigest, version.codeBytes)).release();
      } catch (error) {
        log.warn({ err: error, digest: version.codeDigest }, "code is not here yet");
      }
    }
  });
  const offer = (newest: RouteTable | undefined) => {
    if (newest !== undefined) fetching.offer(newest);
  };
  offer(table.get());
  const stop = table.subscribe(offer);
  return {
    close: async () => {
      isClosed = true;
      stop();
      await fetching.settled();
    },
  };
}

function* placedHere(table: RouteTable, zone: Zone): Generator<RouteVersion> {
  for (const entry of table.entries.values()) {
    if (entry.kind !== "function") continue;
    for (const version of entry.versions)
      if (allowsZone(version.manifest.placement.regions, zone)) yield version;
  }
}
