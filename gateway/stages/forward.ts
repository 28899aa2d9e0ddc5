import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { describeHttpRequest } from "../core/describe-http-request.ts";
import { replayHeaders } from "../core/replay-headers.ts";
import { traceParentOf } from "../core/trace-context.ts";
import type { LocatedCall } from "../call.ts";
import type { Agents, Outcome } from "../ports.ts";
import { isRepeatable } from "./stream-body.ts";

export interface Attempt {
  readonly call: LocatedCall;
  readonly zone: Zone;
  /** 1 for the first. */
  readonly number: number;
  /** Aborts when another attempt has answered. */
  readonly withdrawn?: AbortSignal;
}

/** One attempt at one cluster. */
export type Forward = (attempt: Attempt) => Promise<Outcome>;

export function forward(agents: Agents, clock: Clock): Forward {
  return (attempt) => {
    const { call, withdrawn } = attempt;
    const { callerGone } = call.arrival;
    return agents.send(attempt.zone.clusterId, {
      headers: agentHeaders(attempt, Math.ceil(call.deadlineAtMs - clock.nowMs())),
      body: call.body,
      deadlineAtMs: call.deadlineAtMs,
      callerGone: withdrawn === undefined ? callerGone : AbortSignal.any([callerGone, withdrawn]),
      isIdempotent: isRepeatable(call),
    });
  };
}

function agentHeaders({ call, number }: Attempt, remainingMs: number): Record<string, string> {
  const { door, arrival } = call;
  const headers: Record<string, string> = {
    [INVOCATION_HEADERS.tenant]: door.tenant,
    [INVOCATION_HEADERS.functionName]: door.functionName,
    [INVOCATION_HEADERS.version]: String(call.version.version),
    [INVOCATION_HEADERS.requestId]: call.requestId,
    [INVOCATION_HEADERS.deadlineMs]: String(Math.max(1, remainingMs)),
    [INVOCATION_HEADERS.attempt]: String(number),
    [INVOCATION_HEADERS.door]: door.kind,
    [INVOCATION_HEADERS.revision]: String(call.table.position.revision),
    [INVOCATION_HEADERS.traceParent]: traceParentOf(call.trace),
  };
  if (call.trace.traceState !== "") headers[INVOCATION_HEADERS.traceState] = call.trace.traceState;
  const replay = replayHeaders(arrival.headers, door.alias);
  if (replay !== undefined) Object.assign(headers, replay);
  const contentType = arrival.headers["content-type"];
  if (contentType !== undefined) headers["content-type"] = contentType;
  if (door.kind === "http") {
    const parts = describeHttpRequest({
      method: arrival.method,
      path: door.path,
      rawQuery: call.rawQuery,
      headers: arrival.headers,
      clientIp: call.clientIp,
      scheme: call.clientScheme,
      requestId: call.requestId,
      trace: call.trace,
      isKeyChecked: call.key !== null || arrival.hasKeyOfBrowser === true,
    });
    headers[INVOCATION_HEADERS.httpRequest] = encodeURIComponent(JSON.stringify(parts));
  }
  return headers;
}
