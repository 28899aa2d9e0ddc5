import { apiKeyPrefix, hashApiKey, newApiKey } from "#lib/api-key.ts";
import { CreateTenant, TenantCreated } from "#lib/contracts/api.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { TenantRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { newTenantTransaction } from "#lib/new-tenant.ts";
import { pageItems } from "../../../core/page-items.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchRecord, readTenant, valuesOf } from "../../read-records.ts";
import { JSON_BODY_BYTES_MAX, PageQuery, pageOf } from "./schemas.ts";

export function tenantRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, replica, clock, zones } = ports;

  api.get(
    "/v1/tenants",
    {
      config: { action: "tenants.list" },
      schema: { querystring: PageQuery, response: { 200: pageOf(TenantRecord) } },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const tenants = valuesOf(replica.list(prefixes.tenants), readTenant);
      return pageItems(tenants, ({ name }) => name, limit, cursor);
    },
  );

  api.post(
    "/v1/tenants",
    {
      config: { action: "tenants.create" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { body: CreateTenant, response: { 201: TenantCreated } },
    },
    async (request, reply): Promise<TenantCreated> => {
      const { name } = request.body;
      const apiKey = newApiKey(name);
      const key = { keyHash: hashApiKey(apiKey), prefix: apiKeyPrefix(apiKey) };
      const zoneNames = zones.map((zone) => zone.name);
      const { revision } = await commitChange(ports, async () => {
        if ((await fetchRecord(catalog, keys.tenant(name))) !== undefined)
          throw new MeridianError(
            "MERIDIAN_CONFLICT",
            `There is a tenant ${name} already; choose another name.`,
          );
        return {
          transaction: newTenantTransaction(name, key, zoneNames, clock.wallMs()),
          change: changeBy(request, "tenants.create", name, `tenants/${name}`, clock.wallMs(), {
            keyPrefix: key.prefix,
          }),
          outcome: undefined,
        };
      });
      await untilEnforced(ports, revision);
      reply.code(201);
      return { tenant: name, apiKey };
    },
  );
}
