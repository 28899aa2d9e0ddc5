import { Agent } from "undici";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { withoutHopHeaders } from "../core/hop-headers.ts";
import { traceParentOf } from "../core/trace-context.ts";
import type { PassToGateway } from "../stages/tell-state.ts";

export interface GatewayPass {
  readonly pass: PassToGateway;
  readonly close: () => Promise<void>;
}

const CONNECT_TIMEOUT_MS = 1_000;
const TIMEOUT_MS = 2_000;

/** Asks another zone's gateway what this one was asked, with the caller's own key: it decides for itself who may know. */
export function passToGateway(discovery: Discovery): GatewayPass {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    keepAliveTimeout: 4_000,
  });
  return {
    pass: async (zone, { arrival, path, requestId, trace }) => {
      const gateway = (await discovery.list()).find(
        (one) => one.program === "gateway" && one.zone === zone,
      );
      const origin = gateway?.urls.public;
      if (origin === undefined) throw unreachable(zone, "none is known to run");
      try {
        const { statusCode, headers, body } = await agent.request({
          origin,
          path,
          method: "GET",
          headers: {
            authorization: arrival.headers.authorization ?? "",
            [INVOCATION_HEADERS.requestId]: requestId,
            [INVOCATION_HEADERS.traceParent]: traceParentOf(trace),
          },
          signal: arrival.callerGone,
        });
        return { status: statusCode, headers: withoutHopHeaders(headers), body };
      } catch (cause) {
        throw unreachable(zone, cause instanceof Error ? cause.message : String(cause), cause);
      }
    },
    close: () => agent.destroy(),
  };
}

const unreachable = (zone: string, why: string, cause?: unknown): MeridianError =>
  new MeridianError(
    "MERIDIAN_GATEWAY_UNREACHABLE",
    `The gateway of ${zone} could not be asked (${why}); ask it itself, or look whether it runs.`,
    { cause },
  );
