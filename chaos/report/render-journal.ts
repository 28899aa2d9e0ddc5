import type {
  DrillReport,
  DrillVerdict,
  Experiment,
  ExperimentAction,
} from "#lib/contracts/drill.ts";

/** Chaos Toolkit's words for how a run ended. */
const STATUS: Readonly<Record<DrillVerdict, string>> = {
  PASSED: "completed",
  FAILED: "completed",
  ABORTED: "aborted",
  INTERRUPTED: "interrupted",
  BLOCKED: "failed",
  INVALID: "failed",
};

/** The run in the form of Chaos Toolkit's journal, for tools that read those. */
export function renderJournal(report: DrillReport, experiment: Experiment): object {
  const { phases, startedAtMs, verdict, machine, findings } = report;
  const untilMs = phases.at(-1)?.untilMs ?? 0;
  const fault = phases.find(({ name }) => name === "fault");
  const after = findings.find(({ bound }) => bound === "steadyStateAfter");
  const activity = (action: ExperimentAction, atMs: number) => ({
    activity: action,
    output: null,
    status: "succeeded",
    start: timestamp(startedAtMs + atMs),
    end: timestamp(startedAtMs + atMs),
    duration: 0,
  });
  return {
    "chaoslib-version": "meridian",
    platform: machine.platform,
    node: `Node ${machine.node}`,
    experiment,
    start: timestamp(startedAtMs),
    end: timestamp(startedAtMs + untilMs),
    duration: untilMs / 1_000,
    status: STATUS[verdict],
    deviated: verdict === "FAILED",
    steady_states: {
      before: phases.length === 0 ? null : { steady_state_met: true, probes: [] },
      during: [],
      after: after === undefined ? null : { steady_state_met: after.holds, probes: [] },
    },
    run:
      fault === undefined ? [] : experiment.method.map((action) => activity(action, fault.fromMs)),
    rollbacks:
      fault === undefined
        ? []
        : experiment.rollbacks.map((action) => activity(action, fault.untilMs)),
  };
}

/** Chaos Toolkit writes times in UTC without saying so. */
const timestamp = (wallMs: number): string => new Date(wallMs).toISOString().replace("Z", "");
