import { Type } from "typebox";
import { Value } from "typebox/value";
import { Name } from "#lib/contracts/names.ts";
import {
  AgentUsage,
  type AgentUsageQuery,
  USAGE_ITEMS_MAX,
  UsageInterval,
  UsagePage,
} from "#lib/contracts/usage.ts";
import { MeridianError } from "#lib/errors.ts";
import { mergeUsage, type UsageKey } from "../../../core/usage/merge-usage.ts";
import { type Api, type ApiPorts, callerOf } from "../api-context.ts";
import { askedTenant } from "../asked-tenant.ts";
import { readUsageRange } from "../read-usage-range.ts";

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
const Cursor = Type.Object(
  {
    startMs: Type.Integer({ minimum: 0 }),
    tenant: Name,
    functionName: Type.Union([Name, Type.Literal("")]),
    version: Type.Integer({ minimum: 0 }),
    zone: Type.Union([Name, Type.Literal("")]),
  },
  { additionalProperties: false },
);

/** Asks every zone's agent for its book and adds them up; zones that did not answer are named, for what ran there is missing. */
export function usageRoutes(api: Api, ports: ApiPorts): void {
  const { federation, client, zones, clock, log } = ports;

  const bookOf = async (
    url: string | undefined,
    query: AgentUsageQuery,
  ): Promise<AgentUsage | undefined> => {
    if (url === undefined) return undefined;
    try {
      const path = `/internal/usage?query=${encodeURIComponent(JSON.stringify(query))}`;
      const answer = await client.json(url, { path, timeoutMs: AGENT_TIMEOUT_MS });
      return Value.Check(AgentUsage, answer) ? answer : undefined;
    } catch (error) {
      log.info({ url, err: error }, "an agent did not tell what was used");
      return undefined;
    }
  };

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
      const after = cursor === undefined ? undefined : readCursor(cursor);
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
        next: merged.next === null ? null : writeCursor(merged.next),
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

const writeCursor = (key: UsageKey): string =>
  Buffer.from(JSON.stringify(key)).toString("base64url");

function readCursor(cursor: string): UsageKey {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (Value.Check(Cursor, key)) return key;
  } catch {
    // Answered below: not JSON is no cursor of ours either.
  }
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    "The query does not fit: /cursor must be the `next` of the page before.",
  );
}
