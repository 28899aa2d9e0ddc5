import type { Zone } from "#lib/contracts/zone.ts";

/** The zone that this gateway's own way to is the shortest, as far as its pings tell; its own where they tell nothing else. */
export type NearestZone = (nowMs: number) => Zone;

/** Another zone has to be nearer by this much, and this part: pings of equals must not make callers change zones. */
const NEARER_BY_MS = 10;
const NEARER_BY_SHARE = 0.1;
/** Of several pings the shortest tells the distance: the others tell who was busy. */
const REVIEW_INTERVAL_MS = 1_000;

export function createNearestZone(
  zones: readonly Zone[],
  gatewayZone: Zone,
  shortestMs: (clusterId: string) => number | undefined,
): NearestZone {
  let nearest = gatewayZone;
  let reviewedAtMs = Number.NEGATIVE_INFINITY;
  const wayTo = ({ clusterId }: Zone): number => shortestMs(clusterId) ?? Number.POSITIVE_INFINITY;
  const review = (): void => {
    const heldMs = wayTo(nearest);
    // A silent cluster says nothing of its zone's distance; the plan knows what to do without it.
    if (heldMs === Number.POSITIVE_INFINITY) return;
    if (wayTo(gatewayZone) <= heldMs) nearest = gatewayZone;
    const best = zones.reduce((one, other) => (wayTo(other) < wayTo(one) ? other : one), nearest);
    const marginMs = Math.max(NEARER_BY_MS, wayTo(nearest) * NEARER_BY_SHARE);
    if (wayTo(nearest) - wayTo(best) > marginMs) nearest = best;
  };
  return (nowMs) => {
    if (nowMs - reviewedAtMs >= REVIEW_INTERVAL_MS) {
      reviewedAtMs = nowMs;
      review();
    }
    return nearest;
  };
}
