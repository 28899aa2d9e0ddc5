import { MeridianError } from "#lib/errors.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { Links } from "../../ports.ts";

/** The caller's signal ends a call; this is for a caller that forgot. */
const CALL_LIMIT_MS = 30_000;

export interface LinkOptions {
  readonly discovery: Discovery;
  readonly client: InternalClient;
}

/** Over HTTP, to where each program of a zone is found now. */
export function httpLinks({ discovery, client }: LinkOptions): Links {
  const urlOf = async (program: "agent" | "federator", zone: string): Promise<string | undefined> =>
    (await discovery.list()).find((one) => one.program === program && one.zone === zone)?.urls
      .internal;

  return {
    ping: async (zone, signal) => {
      const url = await urlOf("agent", zone);
      if (url === undefined) return "silent";
      const first = await pingOnce(client, url, signal);
      // An idle connection that broke: a new one tells whether anybody still listens.
      const outcome = first === "broken" ? await pingOnce(client, url, signal) : first;
      return outcome === "broken" ? "silent" : outcome;
    },
    tell: async (zone, observation, signal) => {
      const url = await urlOf("federator", zone);
      if (url === undefined)
        throw new MeridianError("MERIDIAN_CONTROL_UNAVAILABLE", `${zone} has no federator now`);
      const path = "/internal/observations";
      await client.json(url, {
        method: "POST",
        path,
        json: observation,
        timeoutMs: CALL_LIMIT_MS,
        signal,
      });
    },
  };
}

async function pingOnce(
  client: InternalClient,
  url: string,
  signal: AbortSignal,
): Promise<"answered" | "refused" | "silent" | "broken"> {
  try {
    await client.json(url, { path: "/ping", timeoutMs: CALL_LIMIT_MS, signal });
    return "answered";
  } catch (error) {
    if (signal.aborted) return "silent";
    return isRefusal(error) ? "refused" : "broken";
  }
}

/** Nobody listens on that port, or the program there says itself that it takes no calls: while it drains, or as a stranger. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof MeridianError)) return false;
  if (error.code !== "MERIDIAN_CONTROL_UNAVAILABLE") return true;
  const { cause } = error;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}
