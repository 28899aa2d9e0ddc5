import { FunctionView } from "#lib/contracts/api.ts";
import { functionPrefix, keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { VersionRecord } from "#lib/contracts/catalog-records.ts";
import { pageItems } from "../../core/page-items.ts";
import { planFunctionRemoval } from "../../core/plan-deploy.ts";
import { viewFunction } from "../../core/view-federation.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchFunctionState, noSuchFunction } from "../function-state.ts";
import { readAlias, readFunction, readVersion, valuesOf } from "../read-records.ts";
import { FunctionPath, PageQuery, pageOf, TenantPath } from "./schemas.ts";

export function functionRoutes(api: Api, ports: ApiPorts): void {
  const { replica, clock } = ports;

  const view = (tenant: string, name: string): FunctionView | undefined => {
    const record = readFunction(replica.get(keys.function(tenant, name)))?.value;
    if (record === undefined) return undefined;
    const aliases = valuesOf(replica.list(functionPrefix("aliases", tenant, name)), readAlias);
    const versions = aliases.flatMap(({ version }) => {
      const held = readVersion(replica.get(keys.version(tenant, name, version)));
      return held === undefined ? [] : [held.value];
    });
    return viewFunction(record, aliases, versions);
  };

  api.get(
    "/v1/tenants/:tenant/functions",
    {
      config: { action: "functions.read" },
      schema: {
        params: TenantPath,
        querystring: PageQuery,
        response: { 200: pageOf(FunctionView) },
      },
    },
    async (request) => {
      const { tenant } = request.params;
      const { limit, cursor } = request.query;
      const records = valuesOf(replica.list(`${prefixes.functions}${tenant}/`), readFunction);
      const page = pageItems(records, ({ name }) => name, limit, cursor);
      const items = page.items.map(({ name }) => view(tenant, name));
      return { items: items.filter((item) => item !== undefined), next: page.next };
    },
  );

  api.get(
    "/v1/tenants/:tenant/functions/:functionName",
    {
      config: { action: "functions.read" },
      schema: { params: FunctionPath, response: { 200: FunctionView } },
    },
    async (request) => {
      const { tenant, functionName } = request.params;
      const found = view(tenant, functionName);
      if (found === undefined) throw noSuchFunction(tenant, functionName);
      return found;
    },
  );

  api.get(
    "/v1/tenants/:tenant/functions/:functionName/versions",
    {
      config: { action: "functions.read" },
      schema: {
        params: FunctionPath,
        querystring: PageQuery,
        response: { 200: pageOf(VersionRecord) },
      },
    },
    async (request) => {
      const { tenant, functionName } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const versions = valuesOf(
        replica.list(functionPrefix("versions", tenant, functionName)),
        readVersion,
      );
      const { limit, cursor } = request.query;
      return pageItems(versions, ({ version }) => String(version).padStart(10, "0"), limit, cursor);
    },
  );

  api.delete(
    "/v1/tenants/:tenant/functions/:functionName",
    { config: { action: "functions.delete" }, schema: { params: FunctionPath } },
    async (request, reply) => {
      const { tenant, functionName } = request.params;
      const { revision } = await commitChange(ports, async () => {
        const state = await fetchFunctionState(ports.catalog, tenant, functionName);
        const { record } = state;
        if (record === undefined) throw noSuchFunction(tenant, functionName);
        const subject = `functions/${tenant}/${functionName}`;
        return {
          transaction: planFunctionRemoval({ ...state, record }),
          change: changeBy(request, "functions.delete", tenant, subject, clock.wallMs(), {
            versions: state.versions.length,
          }),
          outcome: undefined,
        };
      });
      await untilEnforced(ports, revision);
      return reply.code(204).send();
    },
  );
}
