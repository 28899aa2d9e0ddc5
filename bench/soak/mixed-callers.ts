import { randomInt } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, request } from "undici";
import { tenantKey } from "../gateway/route-entries.ts";
import { BODY, callOf, FUNCTIONS, TENANTS } from "../gateway/setting.ts";

export interface MixedCallers {
  /** Calls by what became of them. */
  readonly tally: () => ReadonlyMap<string, number>;
  readonly stop: () => Promise<void>;
}

const LANES = 12;
const PAUSE_MAX_MS = 6;
const LARGE_BODY = JSON.stringify({ text: "x".repeat(200_000) });

/**
 * Callers as a gateway meets them: mostly good calls of all functions and tenants, and among them wrong keys, unknown functions,
 * large bodies, callers who leave and connections that break off in the middle of a head.
 */
export function startMixedCallers(gatewayUrl: string): MixedCallers {
  const stopping = new AbortController();
  const tally = new Map<string, number>();
  const dispatcher = new Agent({ connections: LANES * 2 });
  const count = (what: string): unknown => tally.set(what, (tally.get(what) ?? 0) + 1);

  const call = async (
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<string> => {
    const answer = await request(url, { dispatcher, method: "POST", headers, body, signal });
    if (answer.statusCode < 500) {
      await answer.body.dump();
      return String(answer.statusCode);
    }
    // What should not happen is to be named.
    const code = /"code":"(\w+)"/.exec(await answer.body.text())?.[1];
    return `${answer.statusCode} ${code ?? "without a code"}`;
  };
  const one = (): Promise<string> => {
    const index = randomInt(FUNCTIONS);
    const { url, headers } = callOf(gatewayUrl, index);
    const { signal } = stopping;
    switch (randomInt(50)) {
      case 0:
        return call(url, { ...headers, authorization: "Bearer mk_nobody" }, BODY, signal);
      case 1:
        return call(url.replace("function-", "no-function-"), headers, BODY, signal);
      case 2:
        return call(url, headers, LARGE_BODY, signal);
      case 3:
        return call(url, headers, BODY, AbortSignal.any([signal, AbortSignal.timeout(1)]));
      case 4:
        return breakOff(gatewayUrl);
      case 5:
        return call(
          url,
          { ...headers, authorization: `Bearer ${tenantKey((index + 1) % TENANTS)}` },
          BODY,
          signal,
        );
      default:
        return call(url, headers, BODY, signal);
    }
  };
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      count(await one().catch((error: unknown) => (error instanceof Error ? error.name : "?")));
      await delay(randomInt(PAUSE_MAX_MS));
    }
  };
  const lanes = Array.from({ length: LANES }, lane);
  return {
    tally: () => tally,
    stop: async () => {
      stopping.abort();
      await Promise.all(lanes);
      await dispatcher.destroy();
    },
  };
}

/** Half a head, and away. */
function breakOff(gatewayUrl: string): Promise<string> {
  const { hostname, port } = new URL(gatewayUrl);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write("POST /v1/tenants/tenant-1/func");
      socket.resetAndDestroy();
    });
    socket.once("error", () => undefined);
    socket.once("close", () => resolve("broke off"));
  });
}
