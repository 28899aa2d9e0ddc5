/** What one observer thinks of one cluster, from its own probes alone. */
export interface ClusterState {
  readonly view: "unknown" | "up" | "down";
  /** When the view began. */
  readonly sinceMs: number;
  /** How long it had been up when it last went down; 0 while it never did. */
  readonly wasUpForMs: number;
  readonly missesInARow: number;
  readonly goodsInARow: number;
}

export type ProbeOutcome = "answered" | "missed";

export interface ClusterLimits {
  readonly missesToDown: number;
  readonly goodsToUp: number;
  /** A cluster that this observer never saw answer is not called down before this time. */
  readonly firstSightMs: number;
}

export const unknownCluster = (nowMs: number): ClusterState => ({
  view: "unknown",
  sinceMs: nowMs,
  wasUpForMs: 0,
  missesInARow: 0,
  goodsInARow: 0,
});

export function stepCluster(
  state: ClusterState,
  outcome: ProbeOutcome,
  nowMs: number,
  limits: ClusterLimits,
): ClusterState {
  const missesInARow = outcome === "missed" ? state.missesInARow + 1 : 0;
  const goodsInARow = outcome === "answered" ? state.goodsInARow + 1 : 0;
  const view = nextView({ ...state, missesInARow, goodsInARow }, nowMs, limits);
  if (view === state.view) return { ...state, missesInARow, goodsInARow };
  const wasUpForMs = state.view === "up" ? nowMs - state.sinceMs : state.wasUpForMs;
  return { view, sinceMs: nowMs, wasUpForMs, missesInARow, goodsInARow };
}

/** For how long it has been up, or had been when it went down. */
export const upForMs = ({ view, sinceMs, wasUpForMs }: ClusterState, nowMs: number): number =>
  view === "up" ? nowMs - sinceMs : wasUpForMs;

function nextView(
  { view, sinceMs, missesInARow, goodsInARow }: ClusterState,
  nowMs: number,
  limits: ClusterLimits,
): ClusterState["view"] {
  switch (view) {
    case "unknown":
      if (goodsInARow > 0) return "up";
      // Programs start at different moments: silence means something only once there was time to start.
      return missesInARow >= limits.missesToDown && nowMs - sinceMs >= limits.firstSightMs
        ? "down"
        : "unknown";
    case "up":
      return missesInARow >= limits.missesToDown ? "down" : "up";
    case "down":
      return goodsInARow >= limits.goodsToUp ? "up" : "down";
  }
}

/**
 * An observer whose own event loop lags, or that sees most of its targets down, is likelier to be the one that is ill; its
 * evidence does not count.
 */
export function isQualifiedObserver(
  views: readonly ClusterState["view"][],
  eventLoopLagMs: number,
  eventLoopLagMaxMs: number,
): boolean {
  if (eventLoopLagMs > eventLoopLagMaxMs) return false;
  const downCount = views.filter((view) => view === "down").length;
  return views.length < 2 || downCount * 2 <= views.length;
}
