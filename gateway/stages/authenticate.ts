import type { KeyRoute } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import { findFunction } from "../core/look-up.ts";
import { problemAnswer } from "../answers.ts";
import type { AuthenticatedCall, FunctionCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";
import type { KeyRing } from "./key-ring.ts";

/** Lets in holders of a known key; everyone, where the function's HTTP door is public. */
export function authenticate(keyRing: KeyRing): Stage<FunctionCall, AuthenticatedCall> {
  return (next) => (call) => {
    if (isPublic(call)) return next({ ...call, key: null });
    const key = keyRing(call.arrival.headers.authorization, call.table.entries);
    if (key === undefined) return Promise.resolve(unauthenticated(call.requestId));
    return next({ ...call, key });
  };
}

export const unauthenticated = (requestId: string): Answer =>
  problemAnswer(
    new MeridianError(
      "MERIDIAN_UNAUTHENTICATED",
      "Send a valid API key: `Authorization: Bearer KEY`.",
    ),
    requestId,
    { "www-authenticate": 'Bearer realm="meridian"' },
  );

/** Operators belong to no tenant and reach all of them. */
export const mayReach = (key: KeyRoute, tenant: string): boolean =>
  key.tenant === tenant || (key.tenant === null && key.roles.includes("operator"));

function isPublic({ door, table }: FunctionCall): boolean {
  if (door.kind !== "http") return false;
  const route = findFunction(table.entries, door.tenant, door.functionName);
  const version = route?.versions.find((one) => one.version === route.aliases[door.alias]);
  return version?.manifest.httpAuth === "public";
}
