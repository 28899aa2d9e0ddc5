import type { IsolationReport } from "#lib/contracts/isolation.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { isolationShortfall } from "../core/isolation-shortfall.ts";
import { hasFloor } from "../core/scaling/scaling-spec.ts";
import { versionsPlacedHere } from "../core/versions-placed-here.ts";
import type { InstancePools } from "./instance-pools.ts";
import type { PoolVersion } from "./pool-version.ts";
import { tendTable } from "./tend-table.ts";

/**
 * Keeps instances of those versions that ask for some without a call, for as long as the table places them here and what they ask of
 * their isolation is proved.
 */
export function keepPlaced(
  feed: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  pools: Pick<InstancePools, "place">,
  isolation: Pick<LatestValue<IsolationReport | undefined>, "get" | "subscribe">,
  clock: Clock,
): { readonly close: () => Promise<void> } {
  const asking = new Map<string, readonly PoolVersion[]>();
  const place = (key: string, versions: readonly PoolVersion[]): void =>
    pools.place(
      key,
      versions.filter(
        ({ version }) => isolationShortfall(version.manifest, isolation.get()) === undefined,
      ),
    );
  const look = (key: string, entry: RouteEntry | undefined): void => {
    const versions = versionsWithFloor(entry, zone);
    if (versions.length === 0 && !asking.delete(key)) return;
    if (versions.length > 0) asking.set(key, versions);
    place(key, versions);
  };
  const stop = isolation.subscribe(() => {
    for (const [key, versions] of asking) place(key, versions);
  });
  const tender = tendTable({ feed, clock, look, act: () => Promise.resolve() });
  return {
    close: () => {
      stop();
      return tender.close();
    },
  };
}

function versionsWithFloor(entry: RouteEntry | undefined, zone: Zone): readonly PoolVersion[] {
  if (entry?.kind !== "function") return [];
  const { tenant, functionName } = entry;
  return versionsPlacedHere(entry, zone)
    .filter(({ manifest }) => hasFloor(manifest.scaling))
    .map((version) => ({ tenant, functionName, version }));
}
