import { DecideQuotaRequest } from "#lib/contracts/api.ts";
import { QuotaRequestRecord } from "#lib/contracts/quota-records.ts";
import type { QuotaVerb } from "../../../core/quota/plan-quota-request.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { decideQuotaRequest } from "../../quota/decide-quota-request.ts";
import { JSON_BODY_BYTES_MAX, QuotaRequestPath } from "./schemas.ts";

const VERBS: readonly QuotaVerb[] = ["approve", "deny", "cancel"];

export function quotaDecisionRoutes(api: Api, ports: ApiPorts): void {
  for (const verb of VERBS)
    api.post(
      // The expression ends the parameter at the colon; a doubled colon stands for itself.
      `/v1/quota-requests/:id(^[^:]+)::${verb}`,
      {
        config: {
          action: verb === "cancel" ? "quota-requests.cancel" : "quota-requests.decide",
        },
        bodyLimit: JSON_BODY_BYTES_MAX,
        schema: {
          params: QuotaRequestPath,
          body: DecideQuotaRequest,
          response: { 200: QuotaRequestRecord },
        },
      },
      async (request): Promise<QuotaRequestRecord> =>
        decideQuotaRequest(ports, request, {
          id: request.params.id,
          verb,
          reason: request.body.reason ?? null,
        }),
    );
}
