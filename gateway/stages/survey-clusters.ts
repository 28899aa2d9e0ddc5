import type { Zone } from "#lib/contracts/zone.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { findCluster } from "../core/look-up.ts";
import type { ClusterSnapshot } from "../core/order-clusters.ts";
import type { Agents, Routing } from "../ports.ts";

/** What is known now of the clusters of some zones: the table's word, the zone's overlay, this gateway's own experience. */
export function surveyClusters(
  zones: readonly Zone[],
  table: RouteTable,
  routing: Routing,
  agents: Agents,
): ClusterSnapshot[] {
  return zones.map((zone) => {
    const route = findCluster(table.entries, zone.clusterId);
    return {
      zone,
      state: route?.state ?? "unseen",
      weightPercent: route?.weightPercent ?? 0,
      isOverlaid: routing.isOverlaid(zone.clusterId),
      ...agents.health(zone.clusterId),
    };
  });
}
