import type {
  DrillReport,
  DrillVerdict,
  Experiment,
  ExperimentAction,
} from "#lib/contracts/drill.ts";
import { runs } from "../core/check-experiment.ts";
import type { Deed, ProbeResult } from "../core/drill.ts";

/** Chaos Toolkit's words for how a run ended. */
const STATUS: Readonly<Record<DrillVerdict, string>> = {
  PASSED: "completed",
  FAILED: "completed",
  ABORTED: "aborted",
  INTERRUPTED: "interrupted",
  BLOCKED: "failed",
  INVALID: "failed",
};

/** What the journal tells beyond the report, in milliseconds of the machine's monotonic clock. */
export interface JournalNotes {
  /** The moment that the report's `startedAtMs` is the wall clock of. */
  readonly loadStartedMs: number;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly deeds: readonly Deed[];
  /** Null when the system was not asked. */
  readonly steadyStateBefore: readonly ProbeResult[] | null;
  readonly steadyStateAfter: readonly ProbeResult[] | null;
}

interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The run in the form of Chaos Toolkit's journal, for tools that read those. It holds what was done and seen, and no more. */
export function renderJournal(
  report: DrillReport,
  experiment: Experiment,
  notes: JournalNotes,
): object {
  const { startedAtMs, verdict, machine, target } = report;
  const wallMs = (atMs: number) => startedAtMs + atMs - notes.loadStartedMs;
  const times = ({ fromMs, untilMs }: Span) => ({
    start: timestamp(wallMs(fromMs)),
    end: timestamp(wallMs(untilMs)),
    duration: Math.round(untilMs - fromMs) / 1_000,
  });
  const activities = (actions: readonly ExperimentAction[], kind: Deed["kind"]) =>
    notes.deeds
      .filter((deed) => deed.kind === kind)
      .map((deed) => ({
        activity: actions.find((action) => runs(action, ["zone", kind, target.zone])),
        output: null,
        status: deed.failure === null ? "succeeded" : "failed",
        ...(deed.failure === null ? {} : { exception: [deed.failure] }),
        ...times(deed),
      }));
  const steadyState = (results: readonly ProbeResult[] | null) =>
    results === null
      ? null
      : {
          steady_state_met: results.every(({ holds }) => holds),
          probes: results.map((result, index) => ({
            activity: experiment["steady-state-hypothesis"].probes[index],
            output: result.status === null ? null : { status: result.status },
            status: result.status === null ? "failed" : "succeeded",
            ...(result.status === null ? { exception: [result.seen] } : {}),
            tolerance_met: result.holds,
            ...times(result),
          })),
        };
  return {
    "chaoslib-version": "meridian",
    platform: machine.platform,
    node: `Node ${machine.node}`,
    experiment,
    ...times({ fromMs: notes.beganMs, untilMs: notes.endedMs }),
    status: STATUS[verdict],
    deviated: verdict === "FAILED",
    steady_states: {
      before: steadyState(notes.steadyStateBefore),
      during: [],
      after: steadyState(notes.steadyStateAfter),
    },
    run: activities(experiment.method, "kill"),
    rollbacks: activities(experiment.rollbacks, "start"),
  };
}

/** Chaos Toolkit writes times in UTC without saying so. */
const timestamp = (wallMs: number): string =>
  new Date(Math.round(wallMs)).toISOString().replace("Z", "");
