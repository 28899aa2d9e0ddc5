import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import type { IsolationWish } from "#lib/isolation.ts";
import { permittedZones } from "#lib/residency.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";
import type { MatchedCall, PermittedCall } from "../call.ts";
import { describeShortfall, provedZones } from "../core/proved-zones.ts";
import type { Stage } from "../pipeline.ts";

/**
 * Before anything looks at health: later stages see only zones that the placement permits and whose cluster isolates as the version
 * asks, so that no failover can leave them. A table that was not confirmed for longer than `securityMaxAgeMs` (0: for ever) may permit
 * what is forbidden by now, and decides on no placement.
 */
export function keepResidency(
  zones: readonly Zone[],
  confirmedAgeMs: () => number,
  securityMaxAgeMs: number,
): Stage<MatchedCall, PermittedCall> {
  return (next) => (call) => {
    const { regions } = call.version.manifest.placement;
    if (isUnconfirmed(regions, confirmedAgeMs(), securityMaxAgeMs))
      throw new MeridianError(
        "MERIDIAN_ROUTES_UNCONFIRMED",
        `The function may run in ${regions.join(", ")} alone, and this gateway has not been able to confirm that for longer than ${securityMaxAgeMs} ms; ask another zone, or bring its federator back.`,
      );
    const permitted = permittedZones(regions, zones);
    if (permitted.length === 0)
      throw new MeridianError(
        "MERIDIAN_RESIDENCY_UNAVAILABLE",
        `The placement permits ${regions.join(", ")} alone, and no zone of this federation lies there.`,
      );
    const { entries } = call.table;
    const proved = provedZones(call.version.manifest, permitted, entries);
    if (proved.length === 0) throw unproved(call.version.manifest, permitted, entries);
    return next({ ...call, zones: proved });
  };
}

const unproved = (
  manifest: IsolationWish,
  permitted: readonly Zone[],
  entries: RouteEntries,
): MeridianError =>
  new MeridianError(
    "MERIDIAN_ISOLATION_UNAVAILABLE",
    `No cluster that the placement permits may run the function now: ${permitted
      .map(({ clusterId }) => `${clusterId}: ${describeShortfall(manifest, clusterId, entries)}`)
      .join("; ")}. The function was not started.`,
  );

/** Whether a placement may be narrower by now than the table has it. */
export const isUnconfirmed = (
  regions: readonly string[],
  confirmedAgeMs: number,
  securityMaxAgeMs: number,
): boolean => regions.length > 0 && securityMaxAgeMs > 0 && confirmedAgeMs > securityMaxAgeMs;
