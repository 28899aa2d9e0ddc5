import type { ClusterSnapshot } from "../../../gateway/core/order-clusters.ts";

/** Nothing speaks against it; without its zone, its room and what is under way on it. */
export const HEALTHY: Omit<ClusterSnapshot, "zone" | "room" | "inFlight"> = {
  state: "up",
  mode: "in-service",
  weightPercent: 100,
  awaitsRelease: false,
  isOverlaid: false,
  pings: "good",
  isTripped: false,
  circuit: { kind: "closed" },
};
