import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import { type ArrivalTime, buildEvent } from "../core/build-event.ts";
import { readCall } from "../core/read-call.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import { type AnswerPlace, outcomeAnswer } from "./answer-outcome.ts";
import type { CallOutcome, PoolCall } from "./call-outcome.ts";
import type { ServeExchange } from "./exchange.ts";
import type { InstancePools } from "./instance-pools.ts";
import type { PlacedVersions } from "./placed-versions.ts";
import type { PoolVersion } from "./pool-version.ts";

export interface ServeCallPorts {
  readonly place: AnswerPlace;
  readonly clock: Clock;
  readonly versions: PlacedVersions;
  readonly pools: InstancePools;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  /** For the function's log: its owner finds the failure under the request id. */
  readonly onFunctionError: (of: PoolVersion, requestId: string, outcome: FunctionError) => void;
}

type FunctionError = Extract<CallOutcome, { kind: "function-error" }>;

/** Runs a call from its head to its answer. */
export function serveCall(ports: ServeCallPorts): ServeExchange {
  const { clock, place, versions, pools, metrics, log } = ports;
  return async ({ headers, readBody, callerGone, leave }) => {
    const arrivedAtMs = clock.nowMs();
    const call = readCall(headers);
    const [body, of] = await Promise.all([readBody(), versions.find(call)]);
    const event = buildEvent(call, body, arrivalTime(clock.wallMs()));
    const pooled: PoolCall = {
      requestId: call.requestId,
      event,
      deadlineAtMs: arrivedAtMs + call.deadlineMs,
      signal: callerGone,
      leave,
    };
    try {
      const outcome = await pools.run(of, pooled);
      metrics.callEnded(outcome, clock.nowMs() - arrivedAtMs);
      if (outcome.kind === "function-error") ports.onFunctionError(of, call.requestId, outcome);
      return outcomeAnswer(place, call, of.version.manifest.contentType, outcome);
    } catch (cause) {
      // From here on nobody may claim that the function was not started.
      log.error({ err: cause, requestId: call.requestId }, "a call's outcome could not be told");
      const failed = { kind: "failed", error: toMeridianError(cause), isExecuted: true } as const;
      return outcomeAnswer(place, call, "", failed);
    }
  };
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
