import { Type } from "typebox";
import { AuditEntry } from "#lib/contracts/api-status.ts";
import { Name } from "#lib/contracts/names.ts";
import { type Api, type ApiPorts, callerOf } from "../api-context.ts";
import { askProgram } from "../ask-program.ts";
import { askedTenant } from "../asked-tenant.ts";

const PEER_TIMEOUT_MS = 1_000;
const closed = { additionalProperties: false } as const;
const limit = Type.Integer({ minimum: 1, maximum: 1_000, default: 100 });
const AuditQuery = Type.Object({ tenant: Type.Optional(Name), limit }, closed);
const AuditPage = Type.Object(
  { items: Type.Array(AuditEntry), silentZones: Type.Array(Name) },
  closed,
);
const Refusals = Type.Object({ items: Type.Array(AuditEntry) }, closed);

/** Changes stand in every zone's chain, refused attempts only in that of the zone that refused: those are asked for. */
export function auditRoutes(api: Api, ports: ApiPorts): void {
  const { audit, federation, zone, zones } = ports;

  const refusalsOf = async (
    url: string | undefined,
    query: string,
  ): Promise<AuditEntry[] | undefined> => {
    const refusals = await askProgram(ports, url, {
      path: `/internal/refusals?${query}`,
      timeoutMs: PEER_TIMEOUT_MS,
      answer: Refusals,
      unheard: "a zone did not tell what it refused",
    });
    return refusals?.items;
  };

  api.get(
    "/v1/audit",
    {
      config: { action: "audit.read" },
      schema: { querystring: AuditQuery, response: { 200: AuditPage } },
    },
    async (request) => {
      const { limit: count } = request.query;
      const tenant = askedTenant(callerOf(request), request.query.tenant, "audit");
      const query = new URLSearchParams({ limit: String(count) });
      if (tenant !== null) query.set("tenant", tenant);
      const others = zones.map(({ name }) => name).filter((name) => name !== zone);
      const peers = await federation.peers();
      const [own, ...refusals] = await Promise.all([
        audit.page({ tenant, outcome: null, limit: count }),
        ...others.map((name) => refusalsOf(peers.get(name), query.toString())),
      ]);
      const entries = [
        ...own.map((entry) => ({ zone, ...entry })),
        ...refusals.flatMap((found) => found ?? []),
      ];
      return {
        items: entries.toSorted((a, b) => b.change.atMs - a.change.atMs).slice(0, count),
        silentZones: others.filter((_name, index) => refusals[index] === undefined),
      };
    },
  );
}

/** For the federators of other zones. */
export function internalAuditRoutes(api: Api, { audit, zone }: ApiPorts): void {
  api.get(
    "/internal/refusals",
    { schema: { hide: true, querystring: AuditQuery } },
    async (request) => {
      const { tenant = null, limit: count } = request.query;
      const entries = await audit.page({ tenant, outcome: "refused", limit: count });
      return { items: entries.map((entry) => ({ zone, ...entry })) };
    },
  );
}
