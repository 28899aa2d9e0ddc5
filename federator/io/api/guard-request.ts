import type { FastifyRequest } from "fastify";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { ERRORS, MeridianError } from "#lib/errors.ts";
import { type Action, ACTIONS, authorize } from "../../core/authorize.ts";
import { type ApiPorts, callerOf, changeBy } from "./api-context.ts";
import { authenticate } from "./authenticate.ts";

/** Statuses of attempts that were turned down, as against those that were malformed. */
const REFUSED_STATUSES: readonly number[] = [403, 404, 409];
/** What ends the state in which nothing else may be changed. */
const DECISIONS: readonly Action[] = ["catalog.recover", "catalog.discard", "catalog.accept"];
const SUBJECT_LENGTH_MAX = 256;

/** Who calls, and may they? Before anything of the body is read. Routes that learn the tenant later ask `demand` themselves. */
export async function guardRequest(ports: ApiPorts, request: FastifyRequest): Promise<void> {
  const { action } = request.routeOptions.config;
  if (action === undefined) return;
  request.caller = authenticate(ports.replica, request.headers.authorization);
  const tenant = tenantInPath(request);
  const refuseUndecided = async (): Promise<void> => {
    if (ACTIONS[action].isWrite && !DECISIONS.includes(action))
      await ports.openDecisions?.refuseChange();
  };
  if (tenant !== undefined) {
    demand(request, action, tenant, () => noSuchTenant(tenant));
    // Whether the tenant is there is one of the things that may be undecided.
    await refuseUndecided();
    if (ports.replica.get(keys.tenant(tenant)) === undefined) throw noSuchTenant(tenant);
    return;
  }
  if (ACTIONS[action].scope === "federation")
    demand(request, action, undefined, () => noSuchTenant(""));
  await refuseUndecided();
}

/** Throws unless the caller may do that to the tenant's thing; `notFound` is what they hear if it is not for their eyes. */
export function demand(
  request: Pick<FastifyRequest, "caller">,
  action: Action,
  tenant: string | undefined,
  notFound: () => MeridianError,
): void {
  const authorization = authorize(callerOf(request), action, tenant);
  if (authorization.kind === "hidden") throw notFound();
  if (authorization.kind === "forbidden")
    throw new MeridianError(
      "MERIDIAN_FORBIDDEN",
      `This key may not do ${action}: ${authorization.reason}.`,
    );
}

/** The same answer whether the tenant is not there or not the caller's. */
export const noSuchTenant = (tenant: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_NOT_FOUND",
    `There is no tenant ${JSON.stringify(tenant)} for this key; look at /v1/whoami.`,
  );

function tenantInPath(request: FastifyRequest): string | undefined {
  const { params } = request;
  return typeof params === "object" &&
    params !== null &&
    "tenant" in params &&
    typeof params.tenant === "string"
    ? params.tenant
    : undefined;
}

/** Writes a refused attempt to change something into this zone's audit, before the caller hears of it. */
export async function auditRefusal(
  { audit, clock }: ApiPorts,
  request: FastifyRequest,
  error: MeridianError,
): Promise<void> {
  const { action } = request.routeOptions.config;
  const { status } = ERRORS[error.code];
  if (action === undefined || !ACTIONS[action].isWrite || request.caller === null) return;
  if (!REFUSED_STATUSES.includes(status)) return;
  // The attempt belongs to who made it: the tenant it was aimed at must not learn other tenants' keys from it.
  const { tenant } = request.caller;
  const subject = request.url.slice(0, SUBJECT_LENGTH_MAX);
  const detail = { status, code: error.code };
  await audit.refused(changeBy(request, action, tenant, subject, clock.wallMs(), detail));
}
