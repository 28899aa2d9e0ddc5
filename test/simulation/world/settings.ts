import type { Zone } from "#lib/contracts/zone.ts";

export interface WorldSettings {
  readonly seed: number;
  readonly zones: number;
  readonly minutes: number;
}

/** One way, in milliseconds: about London–Virginia, Virginia–Mumbai, Mumbai–London, and then others like them. */
const DISTANCES_MS = [38, 92, 56, 70, 110, 25, 80, 45, 60, 100];
const WITHIN_ZONE_MS = 0.3;
/** The catalog's writes are answered by the nearest member, and decided by a majority. */
const TO_CATALOG_MS = [8, 22, 45, 30, 60];

export const CATALOG_PLACE = "catalog";

const ZONE_NAMES = ["eu-west", "us-east", "ap-south", "us-west", "eu-north"];

export function zonesOf(count: number): readonly Zone[] {
  return ZONE_NAMES.slice(0, count).map((name, index) => ({
    name,
    region: name,
    jurisdiction: name.slice(0, 2),
    clusterId: `${name}-1`,
    latitudeDegrees: index * 10,
    longitudeDegrees: index * 30,
  }));
}

/** How long a message takes from one place to another. */
export function distances(zones: readonly Zone[]): (from: string, to: string) => number {
  const indexOf = new Map(zones.map(({ name }, index) => [name, index]));
  return (from, to) => {
    if (from === to) return WITHIN_ZONE_MS;
    const [one, other] = [indexOf.get(from), indexOf.get(to)];
    if (one === undefined || other === undefined)
      return TO_CATALOG_MS[one ?? other ?? 0] ?? WITHIN_ZONE_MS;
    return DISTANCES_MS[(one + other - 1 + DISTANCES_MS.length) % DISTANCES_MS.length] ?? 0;
  };
}

/**
 * As `meridian up` has them, but for probes and gossip, which come once a second as in production, and for the scrub, which
 * has nothing to find and reads little oftener than the replicas compare themselves.
 */
export const FEDERATOR_SETTINGS = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 800,
  probeRetryMs: 400,
  expectedIntervalMs: 1_000,
  gossipIntervalMs: 1_000,
  gossipTimeoutMs: 800,
  evidenceMaxAgeMs: 3_000,
  scrubIntervalMs: 20_000,
} as const;
