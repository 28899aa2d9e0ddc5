import type { ClassDemand } from "#lib/contracts/control-records.ts";
import { FILL_MAX } from "#lib/plan/fill-clusters.ts";
import { classKey, type Tier, TIERS } from "#lib/plan/placement-class.ts";
import type { OriginShares } from "#lib/plan/plan-shares.ts";

/** The calls of one class near one origin, as this gateway has them now. */
export interface Crowd {
  /** Of all tiers. */
  readonly inFlight: number;
  /** When a call of the tier was last shed; minus infinity: never. */
  readonly shedAtMs: Readonly<Record<Tier, number>>;
}

/** What the plan says of a crowd. */
export interface PlannedCrowd {
  readonly shares: Readonly<Record<Tier, OriginShares>>;
  /** Calls in flight that its clusters have room for; undefined: the plan has no count of it. */
  readonly roomCalls: number | undefined;
}

/** Whether the plan turns away calls of a crowd: none, of other tiers, or of this tier too. */
export type Crowding = "none" | "others-shed" | "shed";

export function crowdingOf(tier: Tier, { shares }: PlannedCrowd): Crowding {
  if (shares[tier].shed > 0) return "shed";
  return TIERS.some((other) => shares[other].shed > 0) ? "others-shed" : "none";
}

/**
 * For this long after a call of a higher tier was shed, a tier leaves a part of the room to each such tier. Long against the time between two calls
 * of a crowd that is shed, and short against the 2 s after which a caller is to come again; not all of the room, as the higher one may
 * not need it.
 */
const GIVES_WAY_MS = 500;
const GIVEN_WAY = 0.1;

/**
 * Whether a call is turned away here. The plan tells which tiers are too many, and how much room there is; how many are under way is
 * counted call by call: a plan is some seconds old, and its demand an average, so that its percentages would shed too much after a peak
 * and too little in it.
 */
export function isBeyondPlan(
  tier: Tier,
  { shares, roomCalls }: PlannedCrowd,
  crowd: Crowd,
  nowMs: number,
): boolean {
  const { shed, clusters } = shares[tier];
  if (shed === 0 || clusters.length === 0 || roomCalls === undefined) return false;
  const higher = TIERS.slice(0, TIERS.indexOf(tier));
  const shedLately = higher.filter((other) => nowMs - crowd.shedAtMs[other] < GIVES_WAY_MS);
  return crowd.inFlight >= roomCalls * (1 - GIVEN_WAY * shedLately.length);
}

/**
 * The room of a crowd: what the plan gives it, and its part of the reserve above that (`FILL_MAX`), which is there for what the plan does
 * not know: a call at the door is known. Gateways that share a crowd evenly have an even part of it each.
 */
export function roomOf(
  demand: readonly ClassDemand[],
  key: string,
  origin: string,
  shares: PlannedCrowd["shares"],
  gateways: number,
): number | undefined {
  const known = demand.filter((one) => classKey(one) === key).map(({ origins }) => origins[origin]);
  const offered = (tier: Tier): number => known.reduce((sum, one) => sum + (one?.[tier] ?? 0), 0);
  if (TIERS.every((tier) => offered(tier) === 0)) return undefined;
  const carried = TIERS.reduce((sum, tier) => sum + offered(tier) * (1 - shares[tier].shed), 0);
  return carried / FILL_MAX / gateways;
}
