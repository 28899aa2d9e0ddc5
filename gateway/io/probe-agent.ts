import { Client } from "undici";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { PingEvent } from "../core/judge-pings.ts";

/** Pings one agent, on a connection of its own that no call can clog. */
export interface AgentProbe {
  /** `inconclusive`: this process itself was too busy to tell. Never rejects. */
  readonly ping: (timeoutMs: number) => Promise<PingEvent | "inconclusive">;
  readonly close: () => Promise<void>;
}

/** A time-out noticed later than this after it fell due says more about this process than about the agent. */
const OWN_LAG_MAX_MS = 100;

export function openAgentProbe(url: string, bootToken: string, clock: Clock): AgentProbe {
  const client = new Client(url, { pipelining: 1, keepAliveTimeout: 4_000 });
  const once = async (timeoutMs: number): Promise<PingEvent> => {
    try {
      const { statusCode, body } = await client.request({
        path: "/ping",
        method: "GET",
        headers: { [INVOCATION_HEADERS.bootToken]: bootToken },
        signal: AbortSignal.timeout(timeoutMs),
      });
      await body.dump();
      return statusCode === 204 ? "good" : "missed";
    } catch (error) {
      return isRefusedConnection(error) ? "refused" : "missed";
    }
  };
  return {
    ping: async (timeoutMs) => {
      const startMs = clock.nowMs();
      const first = await once(timeoutMs);
      const tookMs = clock.nowMs() - startMs;
      if (first !== "missed") return first;
      if (tookMs > timeoutMs + OWN_LAG_MAX_MS) return "inconclusive";
      // An idle connection that broke: the next one tells whether anybody still listens.
      return tookMs < timeoutMs / 2 ? once(timeoutMs - tookMs) : first;
    },
    close: () => client.destroy(),
  };
}

export function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
}
