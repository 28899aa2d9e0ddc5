import type {
  FunctionRoute,
  KeyRoute,
  RouteVersion,
  TenantRoute,
} from "#lib/contracts/route-table.ts";
import { DEFAULT_LIMITS } from "#lib/contracts/quota-records.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Random } from "#lib/ports/random.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";
import { chooseVersion } from "../core/choose-version.ts";
import { findFunction, findTenant } from "../core/look-up.ts";
import type { FunctionAddress } from "../core/match-route.ts";
import type { AuthenticatedCall, MatchedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import { mayReach } from "./authenticate.ts";

/** Finds the version behind the alias, drawn by its share where there are several. Another tenant's function does not exist. */
export function matchFunction(zone: string, random: Random): Stage<AuthenticatedCall, MatchedCall> {
  return (next) => (call) => {
    const { door, key, table, receipt } = call;
    const route = findRoute(table.entries, door, key);
    const choice = chooseVersion(route, door.alias, zone, random);
    const version = findVersion(route, door.alias, choice?.version);
    if (key !== null && !key.roles.some((role) => role === "tenant-admin" || role === "operator"))
      throw new MeridianError(
        "MERIDIAN_FORBIDDEN",
        "This key may read but not invoke; use one with the role tenant-admin.",
      );

    receipt.tenant = door.tenant;
    receipt.functionName = door.functionName;
    receipt.version = version.version;
    receipt.tableRevision = table.position.revision;
    receipt.isCallerKnown = key !== null;
    const limits = findActiveTenant(table.entries, door.tenant)?.limits ?? DEFAULT_LIMITS;
    return next({ ...call, version, mark: choice?.mark, limits });
  };
}

/** The function an address names, for the holder of `key` (null: for everyone). */
export function findRoute(
  entries: RouteEntries,
  { tenant, functionName }: FunctionAddress,
  key: KeyRoute | null,
): FunctionRoute {
  const isReachable = key === null || mayReach(key, tenant);
  const route = isReachable ? findFunction(entries, tenant, functionName) : undefined;
  if (route !== undefined) return route;
  throw new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `The tenant ${tenant} has no function ${functionName} that this key may call.`,
  );
}

/** Refuses a tenant that is suspended; undefined for one that the table does not name. */
export function findActiveTenant(entries: RouteEntries, tenant: string): TenantRoute | undefined {
  const route = findTenant(entries, tenant);
  if (route?.isSuspended !== true) return route;
  throw new MeridianError(
    "MERIDIAN_TENANT_SUSPENDED",
    `The tenant ${tenant} is suspended; its functions run again when an operator resumes it.`,
  );
}

/** `number` is undefined where the function has no such alias. */
export function findVersion(
  route: FunctionRoute,
  alias: string,
  number: number | undefined,
): RouteVersion {
  const version = route.versions.find((one) => one.version === number);
  if (version !== undefined) return version;
  throw new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `The function ${route.functionName} has no alias ${alias}; it has ${Object.keys(route.aliases).join(", ")}.`,
  );
}
