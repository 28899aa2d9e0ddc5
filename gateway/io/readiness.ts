import { findCluster } from "../core/look-up.ts";
import type { Routing } from "../ports.ts";
import type { ClusterLinks } from "./probe-clusters.ts";

export interface Readiness {
  /** Null when traffic may be sent here, else why not. */
  readonly notReady: () => string | null;
  readonly startDraining: () => void;
}

/** Ready once there is a table and one cluster to send calls to; losing all clusters later makes a gateway no less ready. */
export function watchReadiness(
  clusterIds: readonly string[],
  routing: Routing,
  links: ClusterLinks,
): Readiness {
  let isDraining = false;
  let hasHadCluster = false;
  return {
    notReady: () => {
      if (isDraining) return "it is shutting down";
      const table = routing.table();
      if (table === undefined) return "it has no route table yet";
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
