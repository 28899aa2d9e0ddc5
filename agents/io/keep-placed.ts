import type { RouteEntry, RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { hasFloor } from "../core/scaling/scaling-spec.ts";
import { versionsPlacedHere } from "../core/versions-placed-here.ts";
import type { InstancePools } from "./instance-pools.ts";
import { tendTable } from "./tend-table.ts";

/** Keeps instances of those versions that ask for some without a call, for as long as the table places them here. */
export function keepPlaced(
  feed: Pick<FeedFollower, "table" | "onChanges">,
  zone: Zone,
  pools: Pick<InstancePools, "place">,
  clock: Clock,
): { readonly close: () => Promise<void> } {
  const asking = new Set<string>();
  const look = (key: string, entry: RouteEntry | undefined): void => {
    const versions = versionsPlacedHere(entry, zone).filter(({ manifest }) =>
      hasFloor(manifest.scaling),
    );
    if (versions.length === 0 && !asking.delete(key)) return;
    if (versions.length > 0) asking.add(key);
    pools.place(key, poolVersions(entry, versions));
  };
  return tendTable({ feed, clock, look, act: () => Promise.resolve() });
}

function poolVersions(entry: RouteEntry | undefined, versions: readonly RouteVersion[]) {
  if (entry?.kind !== "function") return [];
  const { tenant, functionName } = entry;
  return versions.map((version) => ({ tenant, functionName, version }));
}
