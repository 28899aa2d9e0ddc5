import { findCluster } from "../core/look-up.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ClusterLinks } from "./probe-clusters.ts";
import type { RouteFeed } from "./route-feed.ts";

export interface Readiness {
  /** Null when traffic may be sent here, else why not. */
  readonly notReady: () => string | null;
  readonly startDraining: () => void;
}

/** A gateway whose federator says nothing serves from disk, within the floors of its tenants. */
const RIGHTS_WAIT_MS = 2_000;

/** Ready once there is a table and one cluster to send calls to; losing all clusters later makes a gateway no less ready. */
export function watchReadiness(
  clusterIds: readonly string[],
  routing: RouteFeed,
  links: ClusterLinks,
  clock: Clock,
): Readiness {
  const rightsUntilMs = clock.nowMs() + RIGHTS_WAIT_MS;
  let isDraining = false;
  let hasHadCluster = false;
  return {
    notReady: () => {
      if (isDraining) return "it is shutting down";
      const table = routing.table();
      if (table === undefined) return "it has no route table yet";
      if (!routing.hasRights() && clock.nowMs() < rightsUntilMs)
        return "its federator has not said yet what it may admit";
      hasHadCluster ||= clusterIds.some(
        (clusterId) =>
          findCluster(table.entries, clusterId)?.state === "up" ||
          links.health(clusterId).pings === "good",
      );
      return hasHadCluster ? null : "no cluster is up or reachable yet";
    },
    startDraining: () => {
      isDraining = true;
    },
  };
}
