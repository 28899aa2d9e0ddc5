import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { failureReason } from "../core/function-error.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import type { ReplaySource } from "../core/replay-key.ts";
import type { CallOutcome, ColdStart } from "./call-outcome.ts";
import type { ReplayEvent } from "./replayed-answers.ts";

const STATES = ["starting", "idle", "busy", "draining"] as const;

export interface AgentMetrics {
  readonly callEnded: (outcome: CallOutcome, durationMs: number) => void;
  readonly coldStart: (coldStart: ColdStart) => void;
  readonly replay: (source: ReplaySource, event: ReplayEvent) => void;
}

/** The agent's figures; instances and queues are read at the scrape. */
export function agentMetrics(
  registry: Registry,
  loads: () => readonly VersionLoad[],
): AgentMetrics {
  const registers = [registry];
  const invocations = new Counter({
    name: "meridian_agent_invocations_total",
    help: "Calls by how they ended: result, Handled, Unhandled, or the code of a platform failure",
    labelNames: ["outcome"],
    registers,
  });
  const failures = new Counter({
    name: "meridian_agent_function_failures_total",
    help: "Calls that their function failed: at its start (init) or in the call, by why",
    labelNames: ["phase", "reason"],
    registers,
  });
  const durations = new Histogram({
    name: "meridian_agent_invocation_seconds",
    help: "From the call's arrival to its answer",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const coldStarts = new Histogram({
    name: "meridian_agent_cold_start_seconds",
    help: "Phases of cold starts: queue is the whole wait; code, sandbox and init are parts of it",
    labelNames: ["phase"],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const replays = new Counter({
    name: "meridian_agent_replays_total",
    help: "Calls with a key by whose it is (key: the caller's, sdk: an AWS SDK's) and what became of them: ran, not-kept (ran, and there was no room for the key), joined, replayed, or why they were refused",
    labelNames: ["source", "outcome"],
    registers,
  });
  const instances = new Gauge({
    name: "meridian_agent_instances",
    help: "Instances by state",
    labelNames: ["state"],
    registers,
    collect: () => {
      const states = loads().flatMap(({ instances }) => instances.map(({ state }) => state.kind));
      for (const state of STATES)
        instances.set({ state }, states.filter((kind) => kind === state).length);
    },
  });
  const queued: Gauge = new Gauge({
    name: "meridian_agent_queued_calls",
    help: "Calls that wait for an instance",
    registers,
    collect: () => queued.set(loads().reduce((calls, load) => calls + load.queued, 0)),
  });

  const failing: Gauge = new Gauge({
    name: "meridian_agent_failing_versions",
    help: "Versions whose instances fail one after the other while they start",
    registers,
    collect: () => failing.set(loads().filter((load) => load.failing !== undefined).length),
  });

  return {
    callEnded: (outcome, durationMs) => {
      invocations.inc({ outcome: outcomeLabel(outcome) });
      if (outcome.kind === "function-error")
        failures.inc({
          phase: outcome.timing === undefined ? "init" : "call",
          reason: failureReason(outcome.errorKind, outcome.error.errorType),
        });
      durations.observe(durationMs / 1_000);
    },
    replay: (source, outcome) => replays.inc({ source, outcome }),
    coldStart: ({ queueMs, codeMs, sandboxMs, initMs }) => {
      const phases = { queue: queueMs, code: codeMs, sandbox: sandboxMs, init: initMs };
      for (const [phase, ms] of Object.entries(phases)) coldStarts.observe({ phase }, ms / 1_000);
    },
  };
}

function outcomeLabel(outcome: CallOutcome): string {
  switch (outcome.kind) {
    case "result":
    case "answer":
    case "streamed":
      return "result";
    case "function-error":
      return outcome.errorKind;
    case "failed":
      return outcome.error.code;
  }
}
