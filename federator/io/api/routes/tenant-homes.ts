import { Type } from "typebox";
import { MoveTenantHome, TenantHome } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { TenantRecord } from "#lib/contracts/catalog-records.ts";
import { Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { modifiedAt, put } from "../../../core/transactions.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchRecord, readTenant } from "../../read-records.ts";
import { JSON_BODY_BYTES_MAX } from "./schemas.ts";

const TenantPath = Type.Object({ tenant: Name }, { additionalProperties: false });

/** Where a tenant's callers are served as if they were there. */
export function tenantHomeRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, clock, zones } = ports;
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
      const { revision } = await commitChange(ports, async () => {
        const held = readTenant(await fetchRecord(catalog, keys.tenant(tenant)));
        if (held === undefined)
          throw new MeridianError("MERIDIAN_NOT_FOUND", `There is no tenant ${tenant}.`);
        return {
          transaction: {
            compares: [modifiedAt(keys.tenant(tenant), held)],
            operations: [put(keys.tenant(tenant), withHome(held.value, homeRegion))],
          },
          change: changeBy(request, "tenants.home", tenant, `tenants/${tenant}`, clock.wallMs(), {
            homeRegion,
          }),
          outcome: undefined,
        };
      });
      const enforced = await untilEnforced(ports, revision);
      return { tenant, homeRegion, enforced };
    },
  );
}

function withHome({ homeRegion: _former, ...record }: TenantRecord, homeRegion: string | null) {
  return homeRegion === null ? record : { ...record, homeRegion };
}
