import { readFileSync } from "node:fs";
import { availableParallelism, machine, platform, release } from "node:os";
import { Value } from "typebox/value";
import { DrillReport } from "#lib/contracts/drill.ts";
import { LedgerEntry } from "#lib/contracts/drill-load.ts";
import type { Attempt } from "./attempt-drill.ts";
import { analyseRun } from "./core/analyse-run.ts";
import { type Ledger, readLedger } from "./core/read-ledger.ts";
import { ledgerFileOf, type Run } from "./drill-on-federation.ts";
import type { RunNotes } from "./run-notes.ts";

/** The report of a run: what was seen, judged, beside what it was judged by. */
export function conclude(
  run: Run,
  attempt: Attempt,
  notes: RunNotes,
  withoutFailover: boolean,
): DrillReport {
  const { runId, drill, experiment } = run;
  const analysis = analyseRun({
    runId,
    drill,
    moments: notes.moments(),
    series: attempt.series,
    calls: attempt.load?.calls ?? [],
    callsAnnounced: attempt.load?.callsAnnounced ?? null,
    ledger: readLedgerFile(ledgerFileOf(run)),
    steadyStateProbesFailed: attempt.steadyStateAfter?.filter(({ holds }) => !holds).length ?? null,
    earlyEnd: attempt.earlyEnd,
  });
  const report: DrillReport = {
    runId,
    title: experiment.title,
    ...analysis,
    reasons: [...analysis.reasons],
    cleanup: attempt.leftBehind.length === 0 ? "CLEAN" : "DIRTY",
    leftBehind: [...attempt.leftBehind],
    withoutFailover,
    startedAtMs: notes.startedAtMs(),
    seed: drill.seed,
    target: { zone: drill.target.zone },
    events: notes.events(),
    machine: {
      cores: availableParallelism(),
      node: process.version,
      platform: `${platform()} ${release()} ${machine()}`,
    },
  };
  const [mistake] = Value.Errors(DrillReport, report);
  if (mistake !== undefined)
    throw new Error(
      `the report breaks its own schema at ${mistake.instancePath}: ${mistake.message}`,
    );
  return report;
}

/** No ledger was begun where the drill ended early; that reads as an empty one. */
function readLedgerFile(file: string): Ledger {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // Judged as empty, which no drill passes with.
  }
  return readLedger(text, (value): value is LedgerEntry => Value.Check(LedgerEntry, value));
}
