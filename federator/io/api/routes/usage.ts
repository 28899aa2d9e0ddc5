import { Type } from "typebox";
import { Name } from "#lib/contracts/names.ts";
import {
  AgentUsage,
  type AgentUsageQuery,
  USAGE_ITEMS_MAX,
  UsageInterval,
  UsagePage,
} from "#lib/contracts/usage.ts";
import { mergeUsage, type UsageKey } from "../../../core/usage/merge-usage.ts";
import { type Api, type ApiPorts, callerOf } from "../api-context.ts";
import { askProgram } from "../ask-program.ts";
import { askedTenant } from "../asked-tenant.ts";
import { readUsageRange } from "../read-usage-range.ts";
import { readUsageCursor, writeUsageCursor } from "../usage-cursor.ts";

/** A book of a million rows takes a second to add up. */
const AGENT_TIMEOUT_MS = 4_000;
const Moment = Type.Optional(Type.String({ maxLength: 32 }));
const UsageQuery = Type.Object(
  {
    tenant: Type.Optional(Name),
    function: Type.Optional(Name),
    from: Moment,
    to: Moment,
    interval: Type.Optional(UsageInterval),
    by: Type.Optional(Type.Enum(["tenant", "function", "version", "zone"])),
    limit: Type.Integer({ minimum: 1, maximum: USAGE_ITEMS_MAX, default: 100 }),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
  },
  { additionalProperties: false },
);

/** Asks every zone's agent for its book and adds them up; zones that did not answer are named, for what ran there is missing. */
export function usageRoutes(api: Api, ports: ApiPorts): void {
  const { federation, zones, clock } = ports;

  const bookOf = (url: string | undefined, query: AgentUsageQuery) =>
    askProgram(ports, url, {
      path: `/internal/usage?query=${encodeURIComponent(JSON.stringify(query))}`,
      timeoutMs: AGENT_TIMEOUT_MS,
      answer: AgentUsage,
      unheard: "an agent did not tell what was used",
    });

  api.get(
    "/v1/usage",
    {
      config: { action: "usage.read" },
      schema: { querystring: UsageQuery, response: { 200: UsagePage } },
    },
    async (request): Promise<UsagePage> => {
      const { from, to, interval = "total", by = "function", limit, cursor } = request.query;
      const tenant = askedTenant(callerOf(request), request.query.tenant, "usage");
      const range = readUsageRange(from, to, clock.wallMs());
      const after = cursor === undefined ? undefined : readUsageCursor(cursor);
      const query: AgentUsageQuery = {
        ...range,
        interval,
        by: by === "zone" ? "function" : by,
        limit: limit + 2,
        ...(tenant !== null && { tenant }),
        ...(request.query.function !== undefined && { functionName: request.query.function }),
        ...(after !== undefined && { since: sinceOf(after) }),
      };
      const agents = await federation.agents();
      const answers = await Promise.all(
        zones.map(async ({ name }) => ({
          zone: name,
          usage: await bookOf(agents.get(name), query),
        })),
      );
      const merged = mergeUsage(answers, { byZone: by === "zone", limit, after });
      return {
        ...range,
        ...merged,
        next: merged.next === null ? null : writeUsageCursor(merged.next),
      };
    },
  );
}

const sinceOf = ({ startMs, tenant, functionName, version }: UsageKey) => ({
  startMs,
  tenant,
  ...(functionName !== "" && { functionName }),
  ...(version !== 0 && { version }),
});
