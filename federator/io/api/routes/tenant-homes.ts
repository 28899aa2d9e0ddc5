import { Type } from "typebox";
import { MoveTenantHome, TenantHome } from "#lib/contracts/api.ts";
import type { TenantRecord } from "#lib/contracts/catalog-records.ts";
import { Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { changeTenant } from "../change-tenant.ts";
import { untilEnforced } from "../commit-change.ts";
import { JSON_BODY_BYTES_MAX } from "./schemas.ts";

const TenantPath = Type.Object({ tenant: Name }, { additionalProperties: false });

/** Where a tenant's callers are served as if they were there. */
export function tenantHomeRoutes(api: Api, ports: ApiPorts): void {
  const { zones } = ports;
  api.post(
    "/v1/tenants/:tenant(^[^:]+)::home",
    {
      config: { action: "tenants.home" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: TenantPath, body: MoveTenantHome, response: { 200: TenantHome } },
    },
    async (request): Promise<TenantHome> => {
      const { tenant } = request.params;
      const { homeRegion } = request.body;
      const isKnown = zones.some(
        ({ name, region }) => name === homeRegion || region === homeRegion,
      );
      if (homeRegion !== null && !isKnown)
        throw new MeridianError(
          "MERIDIAN_REGION_UNKNOWN",
          `There is no region or zone ${homeRegion}; there are ${zones.map(({ name }) => name).join(", ")}.`,
        );
      const revision = await changeTenant(ports, request, {
        tenant,
        action: "tenants.home",
        detail: { homeRegion },
        change: (record) => withHome(record, homeRegion),
      });
      const enforced = await untilEnforced(ports, revision);
      return { tenant, homeRegion, enforced };
    },
  );
}

function withHome({ homeRegion: _former, ...record }: TenantRecord, homeRegion: string | null) {
  return homeRegion === null ? record : { ...record, homeRegion };
}
