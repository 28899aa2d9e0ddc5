import { FunctionView } from "#lib/contracts/api.ts";
import { functionPrefix, keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { functionRevision } from "../../../core/functions/function-state.ts";
import { planFunctionRemoval } from "../../../core/functions/plan-removals.ts";
import { viewFunction } from "../../../core/verdicts/view-federation.ts";
import type { Replica } from "../../../ports.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { etag, readPrecondition } from "../etags.ts";
import { fetchStandingFunction, noSuchFunction } from "../../functions/function-state.ts";
import { oldestBeyond } from "../../replica/oldest-beyond.ts";
import { pageRecords } from "../page-records.ts";
import { readAlias, readEach, readFunction, readVersion } from "../../read-records.ts";
import { refuseRemoval } from "../refuse-removal.ts";
import { FunctionPath, PageQuery, pageOf, TenantPath } from "./schemas.ts";

/** Names of deleted functions whose last version number is kept, per tenant; then the oldest is forgotten. */
const FORMER_FUNCTIONS_MAX = 10_000;

export function functionRoutes(api: Api, ports: ApiPorts): void {
  const { replica, catalog, clock } = ports;

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
      const prefix = `${prefixes.functions}${tenant}/`;
      const page = pageRecords(replica, prefix, readFunction, request.query);
      const views = page.items.map(({ name }) => findFunction(replica, tenant, name)?.view);
      return { items: views.filter((view) => view !== undefined), next: page.next };
    },
  );

  api.get(
    "/v1/tenants/:tenant/functions/:functionName",
    {
      config: { action: "functions.read" },
      schema: { params: FunctionPath, response: { 200: FunctionView } },
    },
    async (request, reply) => {
      const { tenant, functionName } = request.params;
      const found = findFunction(replica, tenant, functionName);
      if (found === undefined) throw noSuchFunction(tenant, functionName);
      reply.header("etag", etag(found.revision));
      return found.view;
    },
  );

  api.delete(
    "/v1/tenants/:tenant/functions/:functionName",
    { config: { action: "functions.delete" }, schema: { params: FunctionPath } },
    async (request, reply) => {
      const { tenant, functionName } = request.params;
      const precondition = readPrecondition(request.headers);
      const { revision } = await commitChange(ports, async () => {
        const state = await fetchStandingFunction(catalog, tenant, functionName);
        const wallMs = clock.wallMs();
        const former = `${prefixes.formerFunctions}${tenant}/`;
        const forgotten = oldestBeyond(replica, former, FORMER_FUNCTIONS_MAX);
        const plan = planFunctionRemoval(state, precondition, wallMs, forgotten);
        if (plan.kind !== "remove") throw refuseRemoval(plan, `the function ${functionName}`);
        const subject = `functions/${tenant}/${functionName}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "functions.delete", tenant, subject, wallMs, {
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

/** What this zone knows of the function, and its ETag's revision. */
function findFunction(
  replica: Replica,
  tenant: string,
  name: string,
): { readonly view: FunctionView; readonly revision: number } | undefined {
  const record = readFunction(replica.get(keys.function(tenant, name)));
  const aliases = readEach(replica.list(functionPrefix("aliases", tenant, name)), readAlias);
  const revision = functionRevision({ record, aliases });
  if (record === undefined || revision === null) return undefined;
  const shown = [record.value.latestVersion, ...aliases.map(({ value }) => value.version)];
  const versions = shown.flatMap((version) => {
    const held = readVersion(replica.get(keys.version(tenant, name, version)));
    return held === undefined ? [] : [held.value];
  });
  const view = viewFunction(
    record.value,
    aliases.map(({ value }) => value),
    versions,
  );
  return view && { view, revision };
}
