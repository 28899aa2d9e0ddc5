import { keys } from "#lib/contracts/catalog-keys.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Replica } from "../../ports.ts";

/** A zone stops to spend 0.9 ttl after it sent a renewal, the catalog expires it after 1 ttl: others wait for 1.1. */
const MARGIN_SHARE = 0.1;

/**
 * Zones whose session has been gone for long enough that nobody there spends a lease any more. The write that takes a lease
 * back compares the session's absence again, so a replica that lags takes nothing.
 */
export function lostZones(
  replica: Pick<Replica, "get">,
  clock: Clock,
  zones: readonly string[],
  sessionTtlMs: number,
): () => ReadonlySet<string> {
  const absentSinceMs = new Map<string, number>();
  return () => {
    const nowMs = clock.nowMs();
    for (const zone of zones) {
      if (replica.get(keys.zoneSession(zone)) !== undefined) absentSinceMs.delete(zone);
      else if (!absentSinceMs.has(zone)) absentSinceMs.set(zone, nowMs);
    }
    return new Set(
      absentSinceMs
        .entries()
        .filter(([, sinceMs]) => nowMs - sinceMs >= sessionTtlMs * MARGIN_SHARE)
        .map(([zone]) => zone),
    );
  };
}
