import { randomInt } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { CreateQuotaRequest } from "#lib/contracts/api.ts";
import type { QuotaRequestRecord } from "#lib/contracts/quota-records.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { MeridianError } from "#lib/errors.ts";
import { planQuotaRequest, type QuotaRequestPlan } from "../../core/quota/plan-quota-request.ts";
import { type ApiPorts, callerOf, changeBy } from "../api/api-context.ts";
import { commitChange, untilApplied } from "../api/commit-change.ts";
import { fetchRecord, readQuota, readQuotaRequest, valuesOf } from "../read-records.ts";

const ID_LENGTH = 10;

/** Files the request; nothing is enforced differently until somebody approves it. */
export async function createQuotaRequest(
  ports: ApiPorts,
  request: Pick<FastifyRequest, "id" | "caller">,
  tenant: string,
  { quotaCode, desiredValue, reason }: CreateQuotaRequest,
): Promise<QuotaRequestRecord> {
  const { catalog, replica, clock } = ports;
  const { actor } = callerOf(request);
  const wish = { id: newRequestId(), tenant, quotaCode, desiredValue, reason, actor };
  const committed = await commitChange(ports, async () => {
    const [quota, marker] = await Promise.all([
      fetchRecord(catalog, keys.quota(tenant)),
      fetchRecord(catalog, keys.openQuotaRequest(tenant, quotaCode)),
    ]);
    const limits = readQuota(quota)?.value;
    if (limits === undefined)
      throw new MeridianError("MERIDIAN_NOT_FOUND", `The tenant ${tenant} has no quotas.`);
    const requests = valuesOf(replica.list(prefixes.quotaRequests), readQuotaRequest);
    const plan = planQuotaRequest(
      wish,
      limits,
      marker === undefined ? undefined : String(JSON.parse(marker.value)),
      requests.filter((other) => other.tenant === tenant),
      clock.wallMs(),
    );
    if (plan.kind !== "request") throw refusal(plan, quotaCode, desiredValue);
    return {
      transaction: plan.transaction,
      change: changeBy(request, "quota-requests.create", tenant, wish.id, clock.wallMs(), {
        quotaCode,
        currentValue: plan.record.currentValue,
        desiredValue,
      }),
      outcome: plan.record,
    };
  });
  await untilApplied(ports, committed.revision);
  return committed.outcome;
}

function refusal(
  plan: Exclude<QuotaRequestPlan, { kind: "request" }>,
  quotaCode: string,
  desiredValue: number,
): MeridianError {
  switch (plan.kind) {
    case "out-of-bounds":
      return new MeridianError(
        "MERIDIAN_QUOTA_VALUE_INVALID",
        `${quotaCode} goes from ${plan.min} to ${plan.max}; ask for a value in between.`,
      );
    case "no-change":
      return new MeridianError(
        "MERIDIAN_QUOTA_VALUE_INVALID",
        `${quotaCode} is ${desiredValue} already; there is nothing to ask for.`,
      );
    case "already-open":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `The request ${plan.id} for ${quotaCode} is still open; wait for its decision or cancel it.`,
        { members: { openRequest: plan.id } },
      );
  }
}

const newRequestId = (): string =>
  `qr-${Array.from({ length: ID_LENGTH }, () => randomInt(36).toString(36)).join("")}`;
