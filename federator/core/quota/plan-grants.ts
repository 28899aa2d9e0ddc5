import type { GrantRecord } from "#lib/contracts/quota-records.ts";
import { WHOLE } from "#lib/divide-grants.ts";

/** A zone asks for this much more than its demand, so that a burst finds room. */
const HEADROOM = 1.25;
/** Moves below a fifth of the zone's right and a twentieth of the limit are not worth a write. */
const MOVE_SHARE_MIN = 0.2;
const MOVE_MILLIONTHS_MIN = WHOLE / 20;

type ZoneGrants = GrantRecord["zones"];

export interface GrantSituation {
  /** The zone that plans; it changes its own lease and those of lost zones, never another's. */
  readonly zone: string;
  readonly zones: ZoneGrants;
  readonly limitPerSecond: number;
  /** Requests per second offered in each zone; a zone not heard of counts as idle. */
  readonly demandPerSecond: ReadonlyMap<string, number>;
  /** Zones whose lease nobody can be spending any more. */
  readonly lostZones: ReadonlySet<string>;
}

export type GrantPlan =
  | { readonly kind: "keep" }
  /** To be written at once: the own lease grows out of what is free or was left by lost zones. */
  | { readonly kind: "write"; readonly zones: ZoneGrants }
  /** To be written once every gateway of the zone spends no more than this. */
  | { readonly kind: "lower"; readonly leaseMillionths: number };

/** Leases follow demand, but move only while some zone is short: a limit that nobody reaches costs no write. */
export function planGrants(situation: GrantSituation): GrantPlan {
  const { zone } = situation;
  const zones = withoutLeases(situation.zones, situation.lostZones);
  const lease = zones[zone]?.leaseMillionths ?? 0;
  const targets = leaseTargets(situation);
  const target = targets.get(zone) ?? 0;
  const free = freeMillionths(zones);

  if (isShort(situation, targets, zone)) {
    const next = lease + Math.min(free, target - lease);
    return isWorthwhile(zones, zone, next)
      ? { kind: "write", zones: withLease(zones, zone, next) }
      : { kind: "keep" };
  }
  const wanted = [...targets]
    .filter(([name]) => name !== zone && isShort(situation, targets, name))
    .reduce((sum, [name, goal]) => sum + goal - (zones[name]?.leaseMillionths ?? 0), 0);
  return wanted > free && target < lease && isWorthwhile(zones, zone, target)
    ? { kind: "lower", leaseMillionths: target }
    : { kind: "keep" };
}

/** What no floor and no lease holds. */
export function freeMillionths(zones: ZoneGrants): number {
  return Object.values(zones).reduce(
    (free, { floorMillionths, leaseMillionths }) => free - floorMillionths - leaseMillionths,
    WHOLE,
  );
}

function withoutLeases(zones: ZoneGrants, lostZones: ReadonlySet<string>): ZoneGrants {
  return Object.keys(zones)
    .filter((name) => lostZones.has(name) && (zones[name]?.leaseMillionths ?? 0) > 0)
    .reduce((left, name) => withLease(left, name, 0), zones);
}

export const withLease = (
  zones: ZoneGrants,
  zone: string,
  leaseMillionths: number,
): ZoneGrants => ({
  ...zones,
  [zone]: { floorMillionths: 0, ...zones[zone], leaseMillionths },
});

/** The pool of leases, divided by what each living zone's demand asks beyond its floor. */
function leaseTargets(situation: GrantSituation): ReadonlyMap<string, number> {
  const { zones, demandPerSecond, lostZones } = situation;
  const known = new Set([...Object.keys(zones), ...demandPerSecond.keys()]);
  const living = [...known].filter((name) => !lostZones.has(name));
  const total = living.reduce((sum, name) => sum + (demandPerSecond.get(name) ?? 0), 0);
  if (total <= 0) return new Map();
  const pool = Object.values(zones).reduce((left, grant) => left - grant.floorMillionths, WHOLE);
  const asked = new Map(
    living.map((name) => {
      const share = ((demandPerSecond.get(name) ?? 0) / total) * WHOLE;
      return [name, Math.max(0, share - (zones[name]?.floorMillionths ?? 0))];
    }),
  );
  const askedTotal = asked.values().reduce((sum, ask) => sum + ask, 0);
  if (askedTotal <= 0) return new Map();
  return new Map(
    asked.entries().map(([name, ask]) => [name, Math.floor((pool * ask) / askedTotal)]),
  );
}

function isShort(
  { zones, limitPerSecond, demandPerSecond }: GrantSituation,
  targets: ReadonlyMap<string, number>,
  name: string,
): boolean {
  const { floorMillionths = 0, leaseMillionths = 0 } = zones[name] ?? {};
  const rightPerSecond = ((floorMillionths + leaseMillionths) / WHOLE) * limitPerSecond;
  const isBelowDemand = (demandPerSecond.get(name) ?? 0) * HEADROOM > rightPerSecond;
  return isBelowDemand && (targets.get(name) ?? 0) > leaseMillionths;
}

function isWorthwhile(zones: ZoneGrants, zone: string, nextLease: number): boolean {
  const { floorMillionths = 0, leaseMillionths = 0 } = zones[zone] ?? {};
  if (nextLease === leaseMillionths) return false;
  if (nextLease === 0 || leaseMillionths === 0) return true;
  const move = Math.abs(nextLease - leaseMillionths);
  return move > MOVE_SHARE_MIN * (floorMillionths + leaseMillionths) || move >= MOVE_MILLIONTHS_MIN;
}
