import type { RouteEntry, RouteVersion } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { allowsZone } from "#lib/residency.ts";

/** Of an entry of the route table, the versions that may run in the zone. */
export const versionsPlacedHere = (
  entry: RouteEntry | undefined,
  zone: Zone,
): readonly RouteVersion[] =>
  entry?.kind === "function"
    ? entry.versions.filter(({ manifest }) => allowsZone(manifest.placement.regions, zone))
    : [];
