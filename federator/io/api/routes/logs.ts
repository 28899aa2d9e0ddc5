import { Type } from "typebox";
import { LogLine, LogPage } from "#lib/contracts/api.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { askProgram } from "../ask-program.ts";
import { noSuchFunction } from "../../functions/function-state.ts";
import { FunctionPath } from "./schemas.ts";

const AGENT_TIMEOUT_MS = 1_000;
const LogQuery = Type.Object(
  {
    requestId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    sinceMs: Type.Optional(Type.Integer({ minimum: 0 })),
    limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
  },
  { additionalProperties: false },
);
const AgentLogs = Type.Object({ items: Type.Array(LogLine) });

/** Asks every zone's agent; the newest lines of all, oldest first, and the zones that did not answer. */
export function logRoutes(api: Api, ports: ApiPorts): void {
  const { replica, federation, zones } = ports;

  const linesOf = async (url: string | undefined, path: string): Promise<LogLine[] | undefined> => {
    const unheard = "an agent gave no logs";
    const question = { path, timeoutMs: AGENT_TIMEOUT_MS, answer: AgentLogs, unheard };
    return (await askProgram(ports, url, question))?.items;
  };

  api.get(
    "/v1/tenants/:tenant/functions/:functionName/logs",
    {
      config: { action: "logs.read" },
      schema: { params: FunctionPath, querystring: LogQuery, response: { 200: LogPage } },
    },
    async (request): Promise<LogPage> => {
      const { tenant, functionName } = request.params;
      if (replica.get(keys.function(tenant, functionName)) === undefined)
        throw noSuchFunction(tenant, functionName);
      const { requestId, sinceMs, limit } = request.query;
      const query = new URLSearchParams({ tenant, function: functionName, limit: String(limit) });
      if (requestId !== undefined) query.set("requestId", requestId);
      if (sinceMs !== undefined) query.set("sinceMs", String(sinceMs));

      const agents = await federation.agents();
      const answers = await Promise.all(
        zones.map(({ name }) => linesOf(agents.get(name), `/internal/logs?${query.toString()}`)),
      );
      const lines = answers.flatMap((answer) => answer ?? []);
      return {
        items: lines.toSorted((a, b) => a.atMs - b.atMs).slice(-limit),
        silentZones: zones.map(({ name }) => name).filter((_name, i) => answers[i] === undefined),
      };
    },
  );
}
