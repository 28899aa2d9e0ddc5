import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import type { RoutingReceipt } from "#lib/contracts/routing-receipt.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { encodeReceipt } from "../core/receipt-header.ts";
import type { AttemptNote } from "../core/stage-times.ts";
import type { IdentifiedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";
import type { Routing } from "../ports.ts";

export interface ReceiptPorts {
  readonly clock: Clock;
  readonly routing: Pick<Routing, "ageMs">;
}

/** Tells where the call went and why, to a caller who asks for it with `Meridian-Receipt: 1`. */
export function tellReceipt(
  { clock, routing }: ReceiptPorts,
  gateway: string,
): Stage<IdentifiedCall, IdentifiedCall> {
  return (next) => (call) => {
    if (call.arrival.headers[ANSWER_HEADERS.receipt] !== "1") return next(call);
    return next(call).then((answer) => {
      const revision = call.receipt.tableRevision;
      if (revision === undefined) return answer;
      const table = { revision, ageMs: Math.round(routing.ageMs()) };
      const receipt = encodeReceipt({ gateway, table, ...describeCall(call, clock.nowMs()) });
      return { ...answer, headers: { ...answer.headers, [ANSWER_HEADERS.receipt]: receipt } };
    });
  };
}

function describeCall(
  { receipt, trace }: IdentifiedCall,
  nowMs: number,
): Omit<RoutingReceipt, "gateway" | "table"> {
  const { version, attemptNotes, isCallerKnown } = receipt;
  return {
    cluster: receipt.clusterId ?? null,
    ...(version === undefined ? {} : { version }),
    attempts: attemptNotes.map((note) => describeAttempt(note, isCallerKnown, nowMs)),
    coldStart: receipt.isColdStart,
    traceId: trace.traceId,
  };
}

const describeAttempt = (
  { clusterId, beganAtMs, endedAtMs, failure, reason }: AttemptNote,
  isCallerKnown: boolean,
  nowMs: number,
): RoutingReceipt["attempts"][number] => ({
  cluster: clusterId,
  ms: Math.round(((endedAtMs ?? nowMs) - beganAtMs) * 10) / 10,
  ...(failure === undefined ? {} : { failure }),
  ...(reason === undefined || !isCallerKnown ? {} : { reason }),
});
