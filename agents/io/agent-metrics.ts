import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { IsolationReport } from "#lib/contracts/isolation.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { failureReason } from "../core/function-error.ts";
import { stuckInstances } from "../core/stuck-instances.ts";
import type { VersionLoad } from "../core/summarize-zone.ts";
import type { ReplaySource } from "../core/replay-key.ts";
import { type CallOutcome, type ColdStart, coldStartPhases } from "./call-outcome.ts";
import type { ReplayEvent } from "./replayed-answers.ts";

const STATES = ["starting", "idle", "busy", "draining"] as const;

export interface AgentMetrics {
  readonly callEnded: (outcome: CallOutcome, durationMs: number) => void;
  readonly coldStart: (coldStart: ColdStart) => void;
  readonly replay: (source: ReplaySource, event: ReplayEvent) => void;
}

/** What is read at the scrape. */
export interface MeteredAgent {
  readonly loads: () => readonly VersionLoad[];
  readonly isolation: () => IsolationReport | undefined;
  readonly clock: Pick<Clock, "nowMs">;
}

/** The agent's figures; instances and queues are read at the scrape. */
export function agentMetrics(
  registry: Registry,
  { loads, isolation: report, clock }: MeteredAgent,
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
    help: "Phases of cold starts: queue is the whole wait; schedule, code, sandbox and init are parts of it",
    labelNames: ["phase"],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const startsByWay = new Counter({
    name: "meridian_agent_instance_starts_total",
    help: "Starts that a call waited for, by where the process came from: pool (it waited for any function), or cold",
    labelNames: ["way"],
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

  const stuck: Gauge = new Gauge({
    name: "meridian_agent_stuck_instances",
    help: "Instances that were to end and do not",
    registers,
    collect: () => {
      const counts = loads().map((load) => stuckInstances(load, clock.nowMs()).length);
      stuck.set(counts.reduce((sum, count) => sum + count, 0));
    },
  });

  const isolation: Gauge = new Gauge({
    name: "meridian_isolation_level",
    help: "What the agent has proved of its instances, 0 to 5 for L0 to L5; -1: nothing yet",
    registers,
    collect: () => isolation.set(levelNumber(report())),
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
    coldStart: (coldStart) => {
      startsByWay.inc({ way: coldStart.isPooled ? "pool" : "cold" });
      for (const [phase, ms] of coldStartPhases(coldStart))
        coldStarts.observe({ phase }, ms / 1_000);
    },
  };
}

const levelNumber = (report: IsolationReport | undefined): number =>
  report === undefined ? -1 : Number(report.level.slice(1));

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
