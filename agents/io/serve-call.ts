import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { type ArrivalTime, buildEvent } from "../core/build-event.ts";
import type { CallEnding } from "../core/decide-replay.ts";
import { type Call, readCall } from "../core/read-call.ts";
import { readReplayKey } from "../core/replay-key.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import { type AnswerPlace, outcomeAnswer } from "./answer-outcome.ts";
import type { CallOutcome, PoolCall } from "./call-outcome.ts";
import type { ServeExchange } from "./exchange.ts";
import type { InstancePools } from "./instance-pools.ts";
import type { PlacedVersions } from "./placed-versions.ts";
import type { PoolVersion } from "./pool-version.ts";
import type { Execute, Execution, KeyedCall, ReplayedAnswers } from "./replayed-answers.ts";

export interface ServeCallPorts {
  readonly place: AnswerPlace;
  readonly clock: Clock;
  readonly versions: PlacedVersions;
  readonly pools: InstancePools;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  readonly replays: ReplayedAnswers;
  /** For the function's log: its owner finds the failure under the request id. */
  readonly onFunctionError: (of: PoolVersion, requestId: string, outcome: FunctionError) => void;
}

type FunctionError = Extract<CallOutcome, { kind: "function-error" }>;

/** Runs a call from its head to its answer, or gives it the answer of the one that it repeats. */
export function serveCall(ports: ServeCallPorts): ServeExchange {
  const { clock, place, versions } = ports;
  return async ({ headers, readBody, callerGone, leave }) => {
    const arrivedAtMs = clock.nowMs();
    const call = readCall(headers);
    const [body, of] = await Promise.all([readBody(), versions.find(call)]);
    const pooled = {
      requestId: call.requestId,
      event: buildEvent(call, body, arrivalTime(clock.wallMs())),
      deadlineAtMs: arrivedAtMs + call.deadlineMs,
      trace: call.trace,
    };
    const execute: Execute = (executionLeave, signal) =>
      runCall(ports, call, of, { ...pooled, signal, leave: executionLeave }, arrivedAtMs);

    const key = readReplayKey(headers, call, body);
    if (key === undefined) return (await execute(leave, callerGone)).answer;
    const { idempotent: isIdempotent } = of.version.manifest;
    const failure: KeyedCall["failure"] = (error, isExecuted) =>
      outcomeAnswer(place, call, "", { kind: "failed", error, isExecuted });
    return ports.replays({ ...pooled, key, isIdempotent, callerGone, leave, failure }, execute);
  };
}

async function runCall(
  { clock, place, pools, metrics, log, onFunctionError }: ServeCallPorts,
  call: Call,
  of: PoolVersion,
  pooled: PoolCall,
  arrivedAtMs: number,
): Promise<Execution> {
  try {
    const outcome = await pools.run(of, pooled);
    metrics.callEnded(outcome, clock.nowMs() - arrivedAtMs);
    if (outcome.kind === "function-error") onFunctionError(of, call.requestId, outcome);
    const answer = outcomeAnswer(place, call, of.version.manifest.contentType, outcome);
    return { answer, ending: endingOf(outcome) };
  } catch (cause) {
    // From here on nobody may claim that the function was not started.
    log.error({ err: cause, requestId: call.requestId }, "a call's outcome could not be told");
    const failed = { kind: "failed", error: toMeridianError(cause), isExecuted: true } as const;
    return { answer: outcomeAnswer(place, call, "", failed), ending: "unknown" };
  }
}

function endingOf(outcome: CallOutcome): CallEnding {
  if (outcome.kind !== "failed") return "told";
  return outcome.isExecuted ? "unknown" : "not-executed";
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function arrivalTime(epochMs: number): ArrivalTime {
  const [day = "", time = ""] = new Date(epochMs).toISOString().split("T");
  const [year, month, date] = day.split("-");
  return {
    epochMs,
    text: `${date}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`,
  };
}
