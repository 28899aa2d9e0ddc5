import { Type } from "typebox";
import { QuotaView } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { viewQuotas } from "../../../core/verdicts/view-federation.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { readGrant, readQuota } from "../../read-records.ts";
import { TenantPath } from "./schemas.ts";

export function quotaRoutes(api: Api, { replica }: ApiPorts): void {
  api.get(
    "/v1/tenants/:tenant/quotas",
    {
      config: { action: "quotas.read" },
      schema: {
        params: TenantPath,
        response: {
          200: Type.Object({ items: Type.Array(QuotaView) }, { additionalProperties: false }),
        },
      },
    },
    async (request) => {
      const { tenant } = request.params;
      const quota = readQuota(replica.get(keys.quota(tenant)))?.value;
      const grants = readGrant(replica.get(keys.grant(tenant)))?.value;
      return { items: quota === undefined ? [] : viewQuotas(quota, grants) };
    },
  );
}
