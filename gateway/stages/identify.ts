import { canonicalTarget } from "../core/canonical-path.ts";
import { type HeaderFault, inspectHeaders } from "../core/inspect-headers.ts";
import { matchRoute } from "../core/match-route.ts";
import type { RequestIds } from "../core/request-id.ts";
import { withReceipt } from "../answers.ts";
import type { IdentifiedCall, Receipt } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Arrival } from "../ports.ts";

/** Names the request, reads its target once for all that follows, and signs every answer. */
export function identify(requestIds: RequestIds): Stage<Arrival, IdentifiedCall> {
  return (next) => async (arrival) => {
    const fromCaller = arrival.headers["x-request-id"];
    const requestId = requestIds(typeof fromCaller === "string" ? fromCaller : undefined);
    const receipt = emptyReceipt();
    const answer = await next({ arrival, requestId, receipt, ...readTarget(arrival) });
    return withReceipt(answer, requestId, receipt);
  };
}

function readTarget(arrival: Arrival): Pick<IdentifiedCall, "path" | "rawQuery" | "door"> {
  const fault = inspectHeaders(arrival.rawHeaders, arrival.httpVersion);
  if (fault !== undefined) return malformed(fault);
  const canonical = canonicalTarget(arrival.target, arrival.headers.host ?? "");
  if (canonical.kind === "refused")
    return malformed({ code: "MERIDIAN_BAD_REQUEST", reason: canonical.reason });
  const { path, rawQuery } = canonical;
  return { path, rawQuery, door: matchRoute(arrival.method, path, rawQuery) };
}

const malformed = (fault: HeaderFault) => ({
  path: "",
  rawQuery: "",
  door: { kind: "malformed" as const, ...fault },
});

const emptyReceipt = (): Receipt => ({
  tenant: undefined,
  functionName: undefined,
  version: undefined,
  zone: undefined,
  clusterId: undefined,
  attempts: 0,
  isColdStart: false,
  limitedBy: undefined,
});
