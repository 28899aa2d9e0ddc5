import type { KeyRoute, RouteVersion } from "#lib/contracts/route-table.ts";
import { DEFAULT_LIMITS } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { findFunction, findTenant, type RouteEntries } from "../core/look-up.ts";
import type { FunctionAddress } from "../core/match-route.ts";
import type { AuthenticatedCall, MatchedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import { mayReach } from "./authenticate.ts";

/** Finds the version behind the alias. Another tenant's function answers as one that does not exist. */
export function matchFunction(): Stage<AuthenticatedCall, MatchedCall> {
  return (next) => async (call) => {
    const { door, key, table, receipt } = call;
    const version = versionFor(table.entries, door, key);
    if (key !== null && !key.roles.some((role) => role === "tenant-admin" || role === "operator"))
      throw new MeridianError(
        "MERIDIAN_FORBIDDEN",
        "This key may read but not invoke; use one with the role tenant-admin.",
      );

    receipt.tenant = door.tenant;
    receipt.functionName = door.functionName;
    receipt.version = version.version;
    const limits = findTenant(table.entries, door.tenant)?.limits ?? DEFAULT_LIMITS;
    return next({ ...call, version, limits });
  };
}

/** The version an address names, for the holder of `key` (null: for everyone). */
export function versionFor(
  entries: RouteEntries,
  { tenant, functionName, alias }: FunctionAddress,
  key: KeyRoute | null,
): RouteVersion {
  const isReachable = key === null || mayReach(key, tenant);
  const route = isReachable ? findFunction(entries, tenant, functionName) : undefined;
  if (route === undefined)
    throw new MeridianError(
      "MERIDIAN_FUNCTION_NOT_FOUND",
      `The tenant ${tenant} has no function ${functionName} that this key may call.`,
    );
  const number = route.aliases[alias];
  const version = route.versions.find((one) => one.version === number);
  if (version === undefined)
    throw new MeridianError(
      "MERIDIAN_FUNCTION_NOT_FOUND",
      `The function ${functionName} has no alias ${alias}; it has ${Object.keys(route.aliases).join(", ")}.`,
    );
  return version;
}
