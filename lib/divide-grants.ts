import type { GrantRecord } from "#lib/contracts/quota-records.ts";

/** Millionths in a whole limit. */
export const WHOLE = 1_000_000;
/**
 * Share of a limit that is divided evenly as floors, which never expire; the rest moves with demand as leases. With three zones
 * and a fifth, the one zone with all the demand can have 87 % of the limit.
 */
const FLOOR_SHARE = 0.2;

/** A fresh tenant's division: every zone the same. */
export function evenGrants(tenant: string, zones: readonly string[]): GrantRecord {
  const floorMillionths = Math.floor((WHOLE * FLOOR_SHARE) / zones.length);
  const leaseMillionths = Math.floor((WHOLE * (1 - FLOOR_SHARE)) / zones.length);
  return {
    tenant,
    zones: Object.fromEntries(zones.map((zone) => [zone, { floorMillionths, leaseMillionths }])),
  };
}
