import type { Zone } from "#lib/contracts/zone.ts";

/*
 * The one rule of residency, for gateways, federators and agents alike. `regions` is a placement's list: it names regions and
 * jurisdictions, and an empty one allows every zone.
 */

export function allowsZone(regions: readonly string[], zone: Zone): boolean {
  if (regions.length === 0) return true;
  return regions.includes(zone.region) || regions.includes(zone.jurisdiction);
}

export const permittedZones = (
  regions: readonly string[],
  zones: readonly Zone[],
): readonly Zone[] => zones.filter((zone) => allowsZone(regions, zone));
