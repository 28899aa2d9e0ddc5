import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import { withoutHopHeaders } from "../core/hop-headers.ts";
import { announcedTrailers } from "../core/passable-trailers.ts";
import type { LocatedCall } from "../call.ts";
import type { AgentAnswer, Answer, FailedOutcome } from "../ports.ts";
import { isRepeatable } from "./stream-body.ts";

/** Nobody hears it; the status is for the log, as nginx has it. */
export const callerGone: Answer = { status: 499, headers: {}, body: "" };

/** The function's answer, or the agent's word on why there is none, as it came. */
export function functionAnswer(call: LocatedCall, answer: AgentAnswer): Answer {
  const headers = withoutHopHeaders(answer.headers);
  const announced = answer.trailers && announcedTrailers(answer.headers.trailer ?? "");
  if (announced !== undefined) headers["trailer"] = announced;
  delete headers[ANSWER_HEADERS.executed];
  call.receipt.isColdStart = headers[ANSWER_HEADERS.coldStart] === "true";
  // A repeated answer is of the version that gave it, which need not be the one that was drawn now.
  if (headers[ANSWER_HEADERS.replayed] !== undefined)
    call.receipt.version = Number(headers[ANSWER_HEADERS.version]);
  const { status, body, trailers } = answer;
  return { status, headers, body, trailers };
}

/** The last attempt failed and there shall be no other. */
export function failedAnswer(call: LocatedCall, failed: FailedOutcome): Answer {
  const clusterId = call.receipt.clusterId ?? "";
  const { answer, reason, cause } = failed;
  switch (failed.failure) {
    case "refused":
      if (answer !== undefined && (answer.status >= 500 || answer.status === 429))
        return functionAnswer(call, answer);
      throw new MeridianError(
        "MERIDIAN_NO_CLUSTER",
        `${clusterId} refused the call before it was started: ${reason}.`,
        { cause },
      );
    case "not-begun":
    case "not-sent":
      throw new MeridianError(
        call.version.manifest.placement.regions.length > 0
          ? "MERIDIAN_RESIDENCY_UNAVAILABLE"
          : "MERIDIAN_NO_CLUSTER",
        `${clusterId} could not be reached, and no further attempt was possible: ${reason}. The function was not started.`,
        { cause },
      );
    case "maybe-executed":
      if (answer !== undefined) return functionAnswer(call, answer);
      throw new MeridianError(
        "MERIDIAN_CONNECTION_LOST",
        isRepeatable(call)
          ? `The connection to ${clusterId} was lost while it may have run the call, and no further attempt was possible: ${reason}.`
          : `The connection to ${clusterId} was lost and the function may have run: ${reason}. It is not declared idempotent, so the call was not repeated; look before you repeat it.`,
        { cause },
      );
  }
}

export function outOfTime({ deadlineIs }: LocatedCall, wasSent: boolean): MeridianError {
  return wasSent
    ? new MeridianError(
        "MERIDIAN_ANSWER_TIMEOUT",
        `The gateway had no answer within ${deadlineIs}; the function may still be running.`,
      )
    : new MeridianError(
        "MERIDIAN_DEADLINE_EXCEEDED",
        `No cluster started the function within ${deadlineIs}.`,
      );
}
