import { mkdirSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { DrillReport } from "#lib/contracts/drill.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { attemptDrill } from "./attempt-drill.ts";
import { conclude } from "./conclude.ts";
import type { DrillOptions } from "./drill-options.ts";
import { readExperiment } from "./io/read-experiment.ts";
import { writeReports } from "./io/write-reports.ts";
import { takeNotes } from "./run-notes.ts";

export { summaryLine } from "./report/summary-line.ts";

export type DrillOutcome =
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] }
  | { readonly kind: "ran"; readonly report: DrillReport; readonly reportDirectory: string };

/** Checks the file, runs the drill, undoes everything, judges what was seen, and writes the reports. */
export async function runDrill(options: DrillOptions): Promise<DrillOutcome> {
  const reading = await readExperiment(options.experimentFile);
  if (reading.kind === "invalid") return reading;
  if (options.withoutFailover && options.state !== undefined)
    return {
      kind: "invalid",
      mistakes: [
        "--without failover needs a federation of the drill's own: leave --state out, as a running one is not switched over",
      ],
    };
  const { experiment, drill } = reading;
  const runId = randomBytes(5).toString("hex");
  const reportDirectory = resolve(options.reportDirectory ?? join(".meridian-drills", runId));
  mkdirSync(reportDirectory, { recursive: true });

  const run = { runId, experiment, drill, reportDirectory };
  const notes = takeNotes(options.say);
  const attempt = await attemptDrill(run, options, notes);
  const report = conclude(run, attempt, notes, options.withoutFailover);
  await writeReports(reportDirectory, report, experiment, {
    loadStartedMs: notes.moments().loadStartedMs,
    beganMs: notes.beganMs,
    endedMs: machineNowMs(),
    deeds: notes.deeds(),
    steadyStateBefore: attempt.steadyStateBefore,
    steadyStateAfter: attempt.steadyStateAfter,
  });
  return { kind: "ran", report, reportDirectory };
}

/** The mistakes of a drill file; none when it can be run. */
export async function validateDrill(experimentFile: string): Promise<readonly string[]> {
  const reading = await readExperiment(experimentFile);
  return reading.kind === "invalid" ? reading.mistakes : [];
}
