import {
  noRhythm,
  noteInterval,
  phi,
  type Rhythm,
  type RhythmLimits,
  silenceForPhiMs,
} from "./phi-accrual.ts";

/** What one observer thinks of one cluster, from its own probes alone. */
export interface ClusterState {
  readonly view: "unknown" | "up" | "down";
  /** When the view began. */
  readonly sinceMs: number;
  /** How long it had been up when it last went down; 0 while it never did. */
  readonly wasUpForMs: number;
  readonly refusalsInARow: number;
  readonly goodsInARow: number;
  readonly rhythm: Rhythm;
  /** Since the last answer, as far as this observer was awake to hear one. */
  readonly silentMs: number;
  readonly steppedAtMs: number;
}

/** `refused`: nobody listens there, which is proof; `silent`: no answer, which is not. `looked`: time went by. */
export type ClusterEvent = "answered" | "refused" | "silent" | "looked";

export interface ClusterLimits extends RhythmLimits {
  readonly refusalsToDown: number;
  readonly goodsToUp: number;
  /** A cluster that this observer never saw answer is not called down before this time. */
  readonly firstSightMs: number;
}

/** An observer takes a step at least so often. */
export const LOOK_INTERVAL_MS = 250;
/** Of a longer time between two steps only this much counts: for the rest the observer itself stood still, and heard nothing. */
const ATTENTION_MAX_MS = 2 * LOOK_INTERVAL_MS;
/** Once in 10^8 silences it is none. Reached about 2.7 s after the last answer: a pause of 2 s on top of a probe interval is not. */
const PHI_DOWN = 8;
/** Of the rhythm alone, without the acceptable pause: 0.7 s. */
const PHI_SUSPECT = 5;

export const unknownCluster = (nowMs: number): ClusterState => ({
  view: "unknown",
  sinceMs: nowMs,
  wasUpForMs: 0,
  refusalsInARow: 0,
  goodsInARow: 0,
  rhythm: noRhythm,
  silentMs: 0,
  steppedAtMs: nowMs,
});

export function stepCluster(
  state: ClusterState,
  event: ClusterEvent,
  nowMs: number,
  limits: ClusterLimits,
): ClusterState {
  const heard = hear(state, event, nowMs, limits);
  const view = nextView(heard, limits);
  if (view === state.view) return heard;
  const wasUpForMs = state.view === "up" ? nowMs - state.sinceMs : state.wasUpForMs;
  return { ...heard, view, sinceMs: nowMs, wasUpForMs };
}

/** For how long it has been up, or had been when it went down. */
export const upForMs = ({ view, sinceMs, wasUpForMs }: ClusterState, nowMs: number): number =>
  view === "up" ? nowMs - sinceMs : wasUpForMs;

/** For people to see: `suspect` is up as far as decisions go, and yet later than its rhythm lets expect. */
export type ClusterSight = ClusterState["view"] | "suspect";

export function sightOf(state: ClusterState | undefined, limits: RhythmLimits): ClusterSight {
  if (state === undefined) return "unknown";
  if (state.view !== "up") return state.view;
  const silentMs = state.silentMs + limits.acceptablePauseMs;
  return phi(state.rhythm, silentMs, limits) >= PHI_SUSPECT ? "suspect" : "up";
}

/** For how much longer it may be silent before it is down; 0 for one that is not up. */
export const patienceLeftMs = (
  { view, rhythm, silentMs }: ClusterState,
  limits: ClusterLimits,
): number => (view === "up" ? silenceForPhiMs(rhythm, PHI_DOWN, limits) - silentMs : 0);

function hear(
  state: ClusterState,
  event: ClusterEvent,
  nowMs: number,
  limits: ClusterLimits,
): ClusterState {
  const silentMs = state.silentMs + Math.min(ATTENTION_MAX_MS, nowMs - state.steppedAtMs);
  const stepped = { ...state, silentMs, steppedAtMs: nowMs };
  switch (event) {
    case "looked":
      return stepped;
    case "silent":
      return { ...stepped, refusalsInARow: 0, goodsInARow: 0 };
    case "refused":
      return { ...stepped, refusalsInARow: state.refusalsInARow + 1, goodsInARow: 0 };
    case "answered":
      return {
        ...stepped,
        refusalsInARow: 0,
        goodsInARow: state.goodsInARow + 1,
        rhythm: state.view === "unknown" ? noRhythm : noteInterval(state.rhythm, silentMs, limits),
        silentMs: 0,
      };
  }
}

function nextView(state: ClusterState, limits: ClusterLimits): ClusterState["view"] {
  const { view, silentMs, refusalsInARow, goodsInARow, rhythm } = state;
  switch (view) {
    case "unknown":
      if (goodsInARow > 0) return "up";
      // Programs start at different moments: silence means something only once there was time to start.
      return silentMs >= limits.firstSightMs ? "down" : "unknown";
    case "up": {
      const isGone = refusalsInARow >= limits.refusalsToDown;
      return isGone || phi(rhythm, silentMs, limits) >= PHI_DOWN ? "down" : "up";
    }
    case "down":
      return goodsInARow >= limits.goodsToUp ? "up" : "down";
  }
}
