import { findCluster } from "../core/look-up.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ClusterLinks } from "./probe-clusters.ts";
import type { RouteFeed } from "./route-feed.ts";

export interface Readiness {
  /** Null when traffic may be sent here, else why not. */
  readonly notReady: () => string | null;
  readonly startDraining: () => void;
  /**
   * For one that has served before, when it is ready and has a share of its tenants' rates, or after as long as it waits for them: so
   * nobody meets it before. One that never had a table is not waited for.
   */
  readonly untilServing: () => Promise<void>;
}

/** A gateway whose federator says nothing serves from disk, within the floors of its tenants. */
const RIGHTS_WAIT_MS = 2_000;
const LOOK_INTERVAL_MS = 10;

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
  const notReady = (): string | null => {
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
  };
  return {
    notReady,
    startDraining: () => {
      isDraining = true;
    },
    untilServing: async () => {
      if (routing.table() === undefined) return;
      while (clock.nowMs() < rightsUntilMs && (notReady() !== null || !routing.hasShare()))
        await clock.sleep(LOOK_INTERVAL_MS);
    },
  };
}
