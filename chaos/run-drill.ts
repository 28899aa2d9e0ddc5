import { mkdirSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { DrillReport, Experiment } from "#lib/contracts/drill.ts";
import type { LoadPlan } from "#lib/contracts/drill-load.ts";
import type { FileLock } from "#lib/io/file-lock.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import type { Drill } from "./core/drill.ts";
import { judgePrecheck } from "./core/judge-precheck.ts";
import { planSeries } from "./core/plan-series.ts";
import { DrillStopped } from "./drill-stopped.ts";
import { conclude } from "./conclude.ts";
import type { Federation } from "./io/federation.ts";
import { deployLedger, ledgerFunctions, warmUp } from "./io/ledger-functions.ts";
import type { LoadEnding } from "./io/load-process.ts";
import { managementClient } from "./io/management-client.ts";
import { startOwnFederation } from "./io/own-federation.ts";
import { probeSteadyState } from "./io/probe-steady-state.ts";
import { readExperiment } from "./io/read-experiment.ts";
import { holdFederation } from "./io/running-federation.ts";
import { openSafetyNet, type SafetyNet } from "./io/safety-net.ts";
import { journalDirectory, journalFileIn, removeJournal, scanResidue } from "./io/scan-residue.ts";
import { runPhases } from "./run-phases.ts";
import { type RunNotes, takeNotes } from "./run-notes.ts";

export interface DrillOptions {
  readonly experimentFile: string;
  /** A running federation's state folder; without it the drill starts one of its own. */
  readonly state?: string;
  readonly reportDirectory?: string;
  readonly withoutFailover: boolean;
  /** Lines for the one who watches. */
  readonly say: (line: string) => void;
  /** Ends the drill as INTERRUPTED, with everything undone. */
  readonly signal: AbortSignal;
  /** How `meridian up` is started; the tests start something smaller. */
  readonly federationCommand?: readonly string[];
  /** Where journals are; the tests have a place of their own. */
  readonly journalDirectory?: string;
}

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
  const runId = randomBytes(5).toString("hex");
  const reportDirectory = resolve(options.reportDirectory ?? join(".meridian-drills", runId));
  mkdirSync(reportDirectory, { recursive: true });
  const run = new Run(runId, options, reading.experiment, reading.drill, reportDirectory);
  return { kind: "ran", report: await run.toTheEnd(), reportDirectory };
}
