import type { Experiment, ExperimentAction } from "#lib/contracts/drill.ts";
import type { Drill } from "./drill.ts";
import { RESTORED_WINDOW_MS } from "./measure-timings.ts";

/** The records of a run are kept in memory while they are judged. */
const CALLS_MAX = 1_000_000;
/** The dead-man time has to outlast the fault by this much, or it would end every drill. */
const DEAD_MAN_MARGIN_MS = 5_000;
/** Shared address, one gateway a zone, each with both functions; the file does not know the zones, three are usual. */
const SERIES_USUAL = 8;

/** What a schema cannot tell: whether the parts of the file agree with each other. Every mistake, not just the first. */
export function checkExperiment(experiment: Experiment, drill: Drill): string[] {
  return [...checkMethod(experiment, drill), ...checkVariables(experiment), ...checkTimes(drill)];
}

function checkMethod(experiment: Experiment, drill: Drill): string[] {
  const { zone } = drill.target;
  const mistakes: string[] = [];
  if (experiment.method.length !== 1 || !runs(experiment.method[0], ["zone", "kill", zone]))
    mistakes.push(
      `/method: a zone-kill drill has one action, and its arguments end in "zone", "kill", "${zone}" as drill.target.zone says`,
    );
  if (!experiment.rollbacks.some((action) => runs(action, ["zone", "start", zone])))
    mistakes.push(
      `/rollbacks: one action has to undo the fault; its arguments end in "zone", "start", "${zone}"`,
    );
  return mistakes;
}

/** Whether the action executes a command that ends in these words. */
export function runs(action: ExperimentAction | undefined, command: readonly string[]): boolean {
  const given = action?.provider.arguments.slice(-command.length) ?? [];
  return command.every((word, index) => given[index] === word);
}

function checkVariables(experiment: Experiment): string[] {
  return experiment["steady-state-hypothesis"].probes.flatMap((probe, index) => {
    const unknown = [...probe.provider.url.matchAll(/\$\{([^}]*)\}/g)]
      .map((match) => match[1])
      .filter((name) => name !== "endpoint");
    return unknown.map(
      (name) =>
        `/steady-state-hypothesis/probes/${index}/provider/url: \${${name}} is unknown; \${endpoint} is the federation's address`,
    );
  });
}

function checkTimes({ bounds, phases, deadManMs, load }: Drill): string[] {
  const mistakes: string[] = [];
  if (deadManMs < phases.faultMs + DEAD_MAN_MARGIN_MS)
    mistakes.push(
      `/drill/deadManMs: must be at least faultMs + ${DEAD_MAN_MARGIN_MS}, or the fault is undone before it was watched`,
    );
  for (const bound of ["shiftedAfterMsMax", "detectedAfterMsMax"] as const)
    if (bounds[bound] > phases.faultMs)
      mistakes.push(
        `/drill/bounds/${bound}: is longer than the fault (${phases.faultMs} ms), so it could never break`,
      );
  if (bounds.restoredAfterMsMax + RESTORED_WINDOW_MS > phases.recoveryMs)
    mistakes.push(
      `/drill/bounds/restoredAfterMsMax: recoveryMs has to be at least ${RESTORED_WINDOW_MS} ms longer, or it cannot be judged`,
    );
  if (load.lateAfterMs >= load.timeoutMs)
    mistakes.push("/drill/load/lateAfterMs: must be shorter than timeoutMs");
  const seconds = (phases.baselineMs + phases.faultMs + phases.recoveryMs) / 1_000;
  const calls = Math.round(seconds * load.requestsPerSecond * SERIES_USUAL);
  if (calls > CALLS_MAX)
    mistakes.push(
      `/drill/load/requestsPerSecond: makes about ${calls} calls; at most ${CALLS_MAX} can be judged`,
    );
  return mistakes;
}
