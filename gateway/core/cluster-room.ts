import type { Tier } from "#lib/plan/placement-class.ts";

/** Whether a cluster takes one more of this gateway's calls of a tier. */
export type ClusterRoom =
  | { readonly kind: "room" }
  /** It serves as many as it can, and the call would wait. */
  | { readonly kind: "queue"; readonly inFlight: number; readonly limit: number }
  | { readonly kind: "full"; readonly inFlight: number; readonly limit: number };

/** How many calls of this gateway a cluster may have at a time. */
export interface AdaptiveLimit {
  readonly calls: number;
  /** The shortest round trip lately: one that met no queue. */
  readonly shortestMs: number;
}

/** What a step of the limit is made from. */
export interface LimitSample {
  /** A typical round trip of the last second; undefined where none came back. */
  readonly roundTripMs: number | undefined;
  /** The most calls it had at a time since the last step. */
  readonly inFlightMost: number;
}

/** Never less: a limit is there to end overload, not to decide on a few calls. */
const CALLS_MIN = 32;
/** Where nothing is known yet, and the most there is. */
const CALLS_MAX = 16_384;
/**
 * A queue is what the round trip takes beyond twice the shortest, and beyond what a busy machine and its garbage collector may add:
 * below that a limit would turn calls away that would have been served.
 */
const TOLERANCE = 2;
const ALWAYS_FINE_MS = 100;
const GRADIENT_MIN = 0.5;
const GRADIENT_MAX = 2;
/** The shortest round trip is forgotten by so much at each step, so that a longer way is learnt. */
const SHORTEST_GROWTH = 1.01;

export const unlimited: AdaptiveLimit = { calls: CALLS_MAX, shortestMs: Number.POSITIVE_INFINITY };

/**
 * Once a second: limit' = gradient × limit + √limit, the gradient being how near the round trip is to the shortest, as Envoy's
 * adaptive concurrency and Netflix' gradient limiter have it. The round trip is that of pings: how long calls take is up to the
 * functions.
 */
export function stepLimit(
  limit: AdaptiveLimit,
  { roundTripMs, inFlightMost }: LimitSample,
): AdaptiveLimit {
  if (roundTripMs === undefined) return limit;
  const shortestMs = Math.min(limit.shortestMs * SHORTEST_GROWTH, roundTripMs);
  const fineMs = Math.max(ALWAYS_FINE_MS, shortestMs * TOLERANCE);
  const gradient = within(GRADIENT_MIN, fineMs / Math.max(1, roundTripMs), GRADIENT_MAX);
  // What nobody uses is no measure: the limit falls from what is really under way.
  const from = gradient < 1 ? Math.min(limit.calls, inFlightMost) : limit.calls;
  const calls = within(CALLS_MIN, gradient * from + Math.sqrt(from), CALLS_MAX);
  return { calls, shortestMs };
}

const within = (least: number, value: number, most: number): number =>
  Math.min(most, Math.max(least, value));

/** What this gateway has under way on a cluster. */
export interface ClusterLoad {
  readonly limit: AdaptiveLimit;
  readonly inFlight: number;
  /** Slots that those take or wait for: a call of a function that serves four at a time takes a quarter. */
  readonly taken: number;
}

/**
 * Calls that wait in a cluster: one for each that it serves, so that nobody waits longer than about one call takes, and so many at the
 * least. More would fill its queue in the seconds that the plan takes to learn of a crowd, and what stands in it then is answered late.
 */
const WAITING_MIN = 16;

/** The share of the limit that calls of a tier may fill: the lowest tier is turned away first. */
const SHARE_OF: Readonly<Record<Tier, number>> = { critical: 1, normal: 0.9, batch: 0.75 };

/** `slots`: calls that the cluster serves at the same time; undefined: not known, and never full. */
export function roomFor(
  tier: Tier,
  { limit, inFlight, taken }: ClusterLoad,
  slots: number | undefined,
): ClusterRoom {
  const mine = Math.floor(limit.calls * SHARE_OF[tier]);
  if (inFlight >= mine) return { kind: "full", inFlight, limit: mine };
  if (slots === undefined || taken < slots) return room;
  const fitting = Math.floor((slots + Math.max(slots, WAITING_MIN)) * SHARE_OF[tier]);
  return { kind: taken < fitting ? "queue" : "full", inFlight, limit: fitting };
}

const room: ClusterRoom = { kind: "room" };
