import type { ClassDemand } from "#lib/contracts/control-records.ts";
import { FILL_MAX } from "#lib/plan/fill-clusters.ts";
import { classKey, type Tier, TIERS } from "#lib/plan/placement-class.ts";
import type { OriginShares } from "#lib/plan/plan-shares.ts";

/** The calls of one class near one origin, as this gateway has them now. */
export interface Crowd {
  readonly cells: Readonly<Record<Tier, { readonly inFlight: number }>>;
  /** When a call of the tier was last shed; minus infinity: never. */
  readonly shedAtMs: Readonly<Record<Tier, number>>;
}

/** What the plan says of a crowd. */
export interface PlannedCrowd {
  readonly shares: Readonly<Record<Tier, OriginShares>>;
  /** Calls in flight that its clusters have room for; undefined: the plan has no count of it. */
  readonly roomCalls: number | undefined;
}

/** Whether the plan turns away calls of a crowd, of whatever tier. */
export const isCrowded = ({ shares }: PlannedCrowd): boolean =>
  TIERS.some((tier) => shares[tier].shed > 0);

/**
 * Calls in flight for each that there is room for: the others wait. A place in a cluster serves one function at a time, so that with
 * nobody waiting for it, it rests whenever the calls that come next are of another. Found by simulation (test/core/gateway/overload):
 * with 1, three functions that share eight places leave a third of them empty, and with more, calls only wait for longer.
 */
const IN_FLIGHT_PER_ROOM = 2.5;
/**
 * For this long after a call of a higher tier was shed, a tier gets nothing. Long against the time between two calls of a crowd that is
 * shed, and short against the 2 s after which a caller is to come again.
 */
const GIVES_WAY_MS = 500;

/**
 * Whether a call is turned away here. The plan tells which tiers are too many, and how much room there is; how many are under way is
 * counted call by call: a plan is some seconds old, and its demand an average, so that its percentages would shed too much after a peak
 * and too little in it. Calls of lower tiers are not counted: they make way for this one, not the other way round.
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
  if (higher.some((other) => nowMs - crowd.shedAtMs[other] < GIVES_WAY_MS)) return true;
  const inFlight = [...higher, tier].reduce((sum, one) => sum + crowd.cells[one].inFlight, 0);
  return inFlight >= roomCalls * IN_FLIGHT_PER_ROOM;
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
