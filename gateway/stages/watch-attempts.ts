import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import type { ErrorCode } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ClusterRooms } from "../core/cluster-rooms.ts";
import type { AttemptVerdict, FunctionCircuits } from "../core/function-circuits.ts";
import type { AgentAnswer, Outcome } from "../ports.ts";
import type { Forward } from "./forward.ts";
import { circuitName } from "./survey-clusters.ts";

export interface AttemptWatch {
  readonly clock: Clock;
  readonly circuits: FunctionCircuits;
  readonly rooms: ClusterRooms;
}

/** What an agent says when it could not do a call of the function; what it says for want of room, or to the caller, is not here. */
const CLUSTERS_FAULTS: readonly ErrorCode[] = [
  "MERIDIAN_INTERNAL",
  "MERIDIAN_INSTANCE_LOST",
  "MERIDIAN_CONNECTION_LOST",
  "MERIDIAN_CODE_INVALID",
  "MERIDIAN_CODE_UNAVAILABLE",
  "MERIDIAN_CODE_DAMAGED",
  "MERIDIAN_SECRET_UNAVAILABLE",
];

/** Counts each attempt where it is under way, and tells the function's circuit there how it ended. */
export function watchAttempts({ clock, circuits, rooms }: AttemptWatch, forward: Forward): Forward {
  return async (attempt) => {
    const { clusterId } = attempt.zone;
    const { door, version } = attempt.call;
    const name = circuitName(door, version.version);
    const begunUnder = circuits.begin(clusterId, name, clock.nowMs());
    const leave = rooms.begin(clusterId, version.manifest.concurrency);
    const outcome = await forward(attempt);
    leave();
    circuits.end(clusterId, name, begunUnder, verdictOn(outcome), clock.nowMs());
    return outcome;
  };
}

function verdictOn(outcome: Outcome): AttemptVerdict {
  switch (outcome.kind) {
    case "answered":
      return isClustersFault(outcome.answer) ? "failed" : "sound";
    case "out-of-time":
      // An agent says so itself when a function takes too long: this one said nothing.
      return outcome.wasSent ? "failed" : "no-proof";
    case "caller-gone":
    case "body-lost":
      return "no-proof";
    case "failed":
      // Pings and the cluster's own breaker judge the way there: of the function nothing was seen.
      if (outcome.failure === "not-sent") return "no-proof";
      if (outcome.answer === undefined)
        return outcome.failure === "refused" ? "no-proof" : "failed";
      return isClustersFault(outcome.answer) ? "failed" : "no-proof";
  }
}

/** A replayed failure is that of an earlier call, and was counted then. */
const isClustersFault = ({ headers }: AgentAnswer): boolean =>
  headers[ANSWER_HEADERS.replayed] === undefined &&
  CLUSTERS_FAULTS.some((code) => code === headers[ANSWER_HEADERS.errorCode]);
