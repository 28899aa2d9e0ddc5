import type { Zone } from "#lib/contracts/zone.ts";

/** The zones a placement permits: those of its regions or jurisdictions, all of them where it names none. */
export function permittedZones(
  regions: readonly string[],
  zones: readonly Zone[],
): readonly Zone[] {
  if (regions.length === 0) return zones;
  return zones.filter(
    (zone) => regions.includes(zone.region) || regions.includes(zone.jurisdiction),
  );
}
