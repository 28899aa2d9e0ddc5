import { join } from "node:path";
import type { Experiment } from "#lib/contracts/drill.ts";
import type { LoadPlan, LoadSeries } from "#lib/contracts/drill-load.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import type { Drill, ProbeResult } from "./core/drill.ts";
import { judgePrecheck } from "./core/judge-precheck.ts";
import { planSeries } from "./core/plan-series.ts";
import { DrillStopped } from "./io/drill-stopped.ts";
import type { Federation } from "./io/federation.ts";
import { beginLedger, deployLedger, ledgerFunctions, warmUp } from "./io/ledger-functions.ts";
import type { LoadEnding } from "./io/load-process.ts";
import { managementClient } from "./io/management-client.ts";
import { probeSteadyState } from "./io/probe-steady-state.ts";
import type { SafetyNet } from "./io/safety-net.ts";
import { runPhases } from "./run-phases.ts";
import type { RunNotes } from "./run-notes.ts";

/** One execution of one experiment. */
export interface Run {
  readonly runId: string;
  readonly experiment: Experiment;
  readonly drill: Drill;
  readonly reportDirectory: string;
}

/** What was seen so far; it fills while the drill goes on, as the drill may end anywhere. */
export interface Sightings {
  series: readonly LoadSeries[];
  load: LoadEnding | null;
  /** Null when the system was not asked. */
  steadyStateBefore: readonly ProbeResult[] | null;
  steadyStateAfter: readonly ProbeResult[] | null;
}

export const ledgerFileOf = ({ reportDirectory }: Run): string =>
  join(reportDirectory, "ledger.jsonl");

/** The generator has to be there when the first call is due. */
const LOAD_START_DELAY_MS = 1_500;

/** Looks whether the drill may begin, brings the function under test, and goes through the phases. */
export async function drillOnFederation(
  run: Run,
  federation: Federation,
  safety: SafetyNet,
  notes: RunNotes,
  signal: AbortSignal,
  sightings: Sightings,
): Promise<void> {
  const { runId, experiment, drill } = run;
  const { doors } = federation;
  const caller = await precheck(run, federation, signal);
  const hypothesis = experiment["steady-state-hypothesis"];
  sightings.steadyStateBefore = await probeSteadyState(hypothesis, doors.endpoint);
  requireSteadyState(sightings.steadyStateBefore);
  const functions = ledgerFunctions(runId);
  const ledgerFile = beginLedger(federation.stateDirectory, runId, ledgerFileOf(run));
  if (!federation.isOwn)
    safety.intend("functions", {
      kind: "delete-functions",
      stateDirectory: federation.stateDirectory,
      tenant: caller.tenant,
      functions: [functions.idempotent, functions.once],
    });
  notes.event("deploying the function under test, and calling it once in each zone");
  await deployLedger(federation, caller.tenant, functions, ledgerFile, signal);
  await warmUp(federation, caller, functions, runId, signal);

  sightings.series = planSeries(doors, functions);
  const plan: LoadPlan = {
    runId,
    seed: drill.seed,
    startAtMs: machineNowMs() + LOAD_START_DELAY_MS,
    requestsPerSecond: drill.load.requestsPerSecond,
    timeoutMs: drill.load.timeoutMs,
    ...caller,
    callerZones: doors.gateways.map(({ zone }) => zone),
    series: [...sightings.series],
    callsFile: join(run.reportDirectory, "calls.jsonl"),
  };
  const onLoadEnded = (ending: LoadEnding) => {
    sightings.load = ending;
  };
  await runPhases({ drill, federation, plan, safety, notes, signal, onLoadEnded });
  sightings.steadyStateAfter = await probeSteadyState(hypothesis, doors.endpoint);
}

/** Whose calls the load makes, once it is clear that the drill may begin here. */
async function precheck(
  { drill }: Run,
  { credentials, doors, isOwn }: Federation,
  signal: AbortSignal,
): Promise<{ readonly tenant: string; readonly apiKey: string }> {
  const operator = managementClient(doors.endpoint, credentials.operator.apiKey);
  const reasons = judgePrecheck(drill, {
    zones: Object.keys(credentials.zones),
    targetPids: credentials.zones[drill.target.zone]?.pids.length ?? 0,
    tenants: isOwn ? null : await operator.tenantsWithFunctions(signal),
  });
  if (reasons.length > 0) throw new DrillStopped("BLOCKED", reasons.join("; "));
  const [tenant] = drill.tenants;
  const apiKey = tenant === undefined ? undefined : credentials.tenants[tenant]?.apiKey;
  if (tenant === undefined || apiKey === undefined)
    throw new DrillStopped("BLOCKED", `there is no key of tenant ${tenant} in credentials.json`);
  return { tenant, apiKey };
}

function requireSteadyState(results: readonly ProbeResult[]): void {
  const failed = results.filter(({ holds }) => !holds);
  if (failed.length > 0)
    throw new DrillStopped(
      "BLOCKED",
      `the steady state does not hold: ${failed.map(({ name, seen }) => `${name} (${seen})`).join("; ")}`,
    );
}
