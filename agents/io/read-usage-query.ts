import { Value } from "typebox/value";
import { AgentUsageQuery } from "#lib/contracts/usage.ts";
import { MeridianError } from "#lib/errors.ts";

/** What a federator asks of the book, as JSON in `query`. */
export function readUsageQuery(search: URLSearchParams): AgentUsageQuery {
  const query = parseJson(search.get("query") ?? "");
  if (Value.Check(AgentUsageQuery, query)) return query;
  throw new MeridianError("MERIDIAN_BAD_REQUEST", "The query is no AgentUsageQuery as JSON.");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
