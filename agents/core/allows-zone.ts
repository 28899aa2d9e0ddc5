import type { Zone } from "#lib/contracts/zone.ts";

/** Whether a placement's `regions`, which name regions and jurisdictions, let a function run in the zone. None means anywhere. */
export function allowsZone(regions: readonly string[], zone: Zone): boolean {
  return (
    regions.length === 0 || regions.includes(zone.region) || regions.includes(zone.jurisdiction)
  );
}
