import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import { permittedZones } from "#lib/residency.ts";
import type { MatchedCall, PermittedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";

/** Before anything looks at health: later stages see only zones the placement permits, so that no failover can leave them. */
export function keepResidency(zones: readonly Zone[]): Stage<MatchedCall, PermittedCall> {
  return (next) => async (call) => {
    const { regions } = call.version.manifest.placement;
    const permitted = permittedZones(regions, zones);
    if (permitted.length === 0)
      throw new MeridianError(
        "MERIDIAN_RESIDENCY_UNAVAILABLE",
        `The placement permits ${regions.join(", ")} alone, and no zone of this federation lies there.`,
      );
    return next({ ...call, zones: permitted });
  };
}
