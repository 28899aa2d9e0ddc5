/** What the pings of one cluster say so far; `refused` came from a port that nobody listens on. */
export interface PingState {
  readonly view: "unknown" | "good" | "avoid";
  readonly missesInARow: number;
  readonly goodInARow: number;
}

export type PingEvent = "good" | "missed" | "refused";

export interface PingLimits {
  readonly missesToAvoid: number;
  readonly goodToReturn: number;
}

export const noPingsYet: PingState = { view: "unknown", missesInARow: 0, goodInARow: 0 };

/** Avoided at the first refused connection or after some misses in a row; used again after some good pings in a row. */
export function stepPings(state: PingState, event: PingEvent, limits: PingLimits): PingState {
  if (event === "good") {
    const goodInARow = state.goodInARow + 1;
    const isBack = state.view !== "avoid" || goodInARow >= limits.goodToReturn;
    return { view: isBack ? "good" : "avoid", missesInARow: 0, goodInARow };
  }
  const missesInARow = state.missesInARow + 1;
  const isGone = event === "refused" || missesInARow >= limits.missesToAvoid;
  return { view: isGone ? "avoid" : state.view, missesInARow, goodInARow: 0 };
}
