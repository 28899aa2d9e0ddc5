import type { Zone } from "#lib/contracts/zone.ts";
import { describeLevel, type IsolationWish, isProved, requiredLevel } from "#lib/isolation.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";
import { findCluster } from "./look-up.ts";

/** Of the zones those whose cluster has proved the isolation that the version asks for. */
export function provedZones(
  version: IsolationWish,
  zones: readonly Zone[],
  entries: RouteEntries,
): readonly Zone[] {
  const required = requiredLevel(version);
  if (required === "L0") return zones;
  return zones.filter(({ clusterId }) =>
    isProved(required, findCluster(entries, clusterId)?.isolationLevel),
  );
}

/** Why a cluster is not among them. */
export const describeShortfall = (
  version: IsolationWish,
  clusterId: string,
  entries: RouteEntries,
): string =>
  `it has proved ${describeLevel(findCluster(entries, clusterId)?.isolationLevel)}, and the function asks for ${requiredLevel(version)}`;
