import type { FastifyRequest } from "fastify";
import type { QuotaRequestRecord } from "#lib/contracts/quota-records.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { MeridianError } from "#lib/errors.ts";
import { planQuotaDecision, type QuotaVerb } from "../../core/quota/plan-quota-request.ts";
import type { Held } from "../../core/transactions.ts";
import { type ApiPorts, callerOf, changeBy } from "../api/api-context.ts";
import { commitChange, untilApplied, untilEnforced } from "../api/commit-change.ts";
import { demand } from "../api/guard-request.ts";
import { fetchRecord, readQuota, readQuotaRequest } from "../read-records.ts";

export interface QuotaDecision {
  readonly id: string;
  readonly verb: QuotaVerb;
  readonly reason: string | null;
}

/** Of several decisions at the same time one wins; the others find the request decided. */
export async function decideQuotaRequest(
  ports: ApiPorts,
  request: Pick<FastifyRequest, "id" | "caller">,
  { id, verb, reason }: QuotaDecision,
): Promise<QuotaRequestRecord> {
  const { catalog, clock } = ports;
  const { actor } = callerOf(request);
  const action = verb === "cancel" ? "quota-requests.cancel" : "quota-requests.decide";
  const committed = await commitChange(ports, async () => {
    const held = await readNewest(ports, id);
    if (held === undefined) throw noSuchRequest(id);
    const { tenant, quotaCode, desiredValue } = held.value;
    demand(request, action, tenant, () => noSuchRequest(id));
    const quota = readQuota(await fetchRecord(catalog, keys.quota(tenant)));
    if (quota === undefined) throw noSuchRequest(id);
    const plan = planQuotaDecision(held, quota, { verb, actor, reason }, clock.wallMs());
    if (plan.kind === "own-request")
      throw new MeridianError(
        "MERIDIAN_FORBIDDEN",
        `This key made the request ${id}; somebody else has to decide on it.`,
      );
    if (plan.kind === "already-decided")
      throw new MeridianError(
        "MERIDIAN_CONFLICT",
        `The request ${id} is ${plan.state}; make a new one to change the quota again.`,
        { members: { state: plan.state } },
      );
    return {
      transaction: plan.transaction,
      change: changeBy(request, `quota-requests.${verb}`, tenant, id, clock.wallMs(), {
        quotaCode,
        from: quota.value.limits[quotaCode],
        to: verb === "approve" ? desiredValue : quota.value.limits[quotaCode],
      }),
      outcome: plan.record,
    };
  });
  if (verb === "approve") await untilEnforced(ports, committed.revision);
  else await untilApplied(ports, committed.revision);
  return committed.outcome;
}

const readNewest = async (
  { catalog }: Pick<ApiPorts, "catalog">,
  id: string,
): Promise<Held<QuotaRequestRecord> | undefined> =>
  readQuotaRequest(await fetchRecord(catalog, keys.quotaRequest(id)));

/** From the replica; what it does not have yet, from the catalog, for those who just made it in another zone. */
export async function fetchQuotaRequest(
  ports: Pick<ApiPorts, "catalog" | "replica">,
  id: string,
): Promise<Held<QuotaRequestRecord>> {
  const held =
    readQuotaRequest(ports.replica.get(keys.quotaRequest(id))) ?? (await readNewest(ports, id));
  if (held === undefined) throw noSuchRequest(id);
  return held;
}

/** The same answer for a request that is not there and for another tenant's. */
export const noSuchRequest = (id: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_NOT_FOUND",
    `There is no quota request ${JSON.stringify(id)}; list the requests there are.`,
  );
