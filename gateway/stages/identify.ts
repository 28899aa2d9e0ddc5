import { canonicalTarget } from "../core/canonical-path.ts";
import type { HeaderFault } from "../core/inspect-headers.ts";
import { matchRoute } from "../core/match-route.ts";
import type { RequestIds } from "../core/request-id.ts";
import { enterTrace, isInShare, type TraceContext, type TraceIds } from "../core/trace-context.ts";
import { withReceipt } from "../answers.ts";
import type { IdentifiedCall, Receipt } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Arrival } from "../ports.ts";

export interface IdentifyPorts {
  readonly requestIds: RequestIds;
  readonly traceIds: TraceIds;
}

/** Names the request and its trace, reads its target once for all that follows, and signs every answer. */
export function identify(
  { requestIds, traceIds }: IdentifyPorts,
  tracedShare: number,
): Stage<Arrival, IdentifiedCall> {
  const samples = (traceId: string): boolean => isInShare(traceId, tracedShare);
  return (next) => async (arrival) => {
    const fromCaller = arrival.headers["x-request-id"];
    const requestId = requestIds(typeof fromCaller === "string" ? fromCaller : undefined);
    const receipt = emptyReceipt();
    const trace = readTrace(arrival, traceIds, samples);
    const answer = await next({ arrival, requestId, trace, receipt, ...readTarget(arrival) });
    return withReceipt(answer, requestId, receipt);
  };
}

/** Headers that came several times were joined with commas: for the parent no such thing is believed, for the state it is the rule. */
function readTrace(
  { headers }: Arrival,
  traceIds: TraceIds,
  samples: (traceId: string) => boolean,
): TraceContext {
  const { traceparent, tracestate } = headers;
  return enterTrace(text(traceparent), text(tracestate), traceIds, samples);
}

const text = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : value?.join(",");

function readTarget(arrival: Arrival): Pick<IdentifiedCall, "path" | "rawQuery" | "door"> {
  if (arrival.fault !== undefined) return malformed(arrival.fault);
  const origin = `${arrival.scheme}://${arrival.headers.host ?? ""}`;
  const canonical = canonicalTarget(arrival.target, origin);
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
  attemptNotes: [],
  marks: { admitAtMs: undefined, planAtMs: undefined, forwardAtMs: undefined },
  tableRevision: undefined,
  isCallerKnown: false,
  fallback: undefined,
});
