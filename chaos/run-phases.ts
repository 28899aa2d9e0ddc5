import { setTimeout as delay } from "node:timers/promises";
import type { LoadPlan, LoadSeries } from "#lib/contracts/drill-load.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { type ProcessIdentity, identifyProcess } from "#lib/io/process-identity.ts";
import type { Deed, Drill } from "./core/drill.ts";
import { judgeAbort } from "./core/judge-abort.ts";
import { BASELINE_FAILED_SHARE_MAX } from "./core/judge-validity.ts";
import { DrillStopped } from "./io/drill-stopped.ts";
import type { Federation } from "./io/federation.ts";
import { type LoadEnding, type LoadProcess, startLoad } from "./io/load-process.ts";
import { observeStatus, type StatusObserver } from "./io/observe-status.ts";
import { waitUntilGone } from "./io/perform-undo.ts";
import type { SafetyNet } from "./io/safety-net.ts";
import { readCredentials } from "./io/state-files.ts";
import { actOnZone } from "./io/zone-control.ts";
import type { RunNotes } from "./run-notes.ts";

export interface PhasesContext {
  readonly drill: Drill;
  readonly federation: Federation;
  readonly plan: LoadPlan;
  readonly safety: SafetyNet;
  readonly notes: RunNotes;
  readonly signal: AbortSignal;
  /** Called once however the phases end: with the ending, not through the return, as they may end with a throw. */
  readonly onLoadEnded: (ending: LoadEnding) => void;
}

const FAULT_INTENT = "fault";
const WATCH_STEP_MS = 100;
const GONE_LIMIT_MS = 5_000;

/** Baseline, fault, observation, undoing, recovery, all under load. Whatever ends it early, the fault is undone first. */
export async function runPhases(context: PhasesContext): Promise<void> {
  const { drill, federation, notes, safety } = context;
  const { phases, target } = drill;
  const load = startLoad(context.plan);
  notes.mark("loadStartedMs", context.plan.startAtMs);
  const observer = observeStatus(
    survivingGateway(federation, target.zone),
    federation.credentials.operator.apiKey,
    target.zone,
    notes.event,
  );
  try {
    await watch(context, load, context.plan.startAtMs - machineNowMs());
    notes.event(`baseline: ${context.plan.series.length} series of calls, nothing is broken`);
    await watch(context, load, phases.baselineMs + probeOffsetMs(context.plan));
    requireGoodBaseline(load);
    await injectFault(context, observer);
    await watch(context, load, phases.faultMs);
    await undoFault(context);
    await watch(context, load, phases.recoveryMs);
  } finally {
    if (safety.isOpen(FAULT_INTENT))
      await recordDeed(notes, "start", () => safety.undo(FAULT_INTENT));
    notes.mark("loadEndedMs");
    await observer.stop();
    const detectedMs = observer.detectedMs();
    if (detectedMs !== null) notes.mark("detectedMs", detectedMs);
    context.onLoadEnded(await load.stop());
  }
}

/** Stands still while the load runs, unless there is a reason to end the drill. */
async function watch(context: PhasesContext, load: LoadProcess, forMs: number): Promise<void> {
  const { drill, plan, safety, signal } = context;
  const seriesByName = new Map<string, LoadSeries>(plan.series.map((one) => [one.name, one]));
  const isPromised = (name: string) => seriesByName.get(name)?.gatewayZone !== drill.target.zone;
  const untilMs = machineNowMs() + forMs;
  for (;;) {
    const nowMs = machineNowMs();
    if (nowMs >= untilMs) return;
    if (!load.isRunning()) throw new DrillStopped("INVALID", "the load generator died");
    if (!safety.isWatched())
      throw new DrillStopped("ABORTED", "the watchdog died: no drill goes on without it");
    const ticks = load.ticks(nowMs - drill.abort.windowMs, isPromised);
    const because = judgeAbort(ticks, drill.abort, nowMs);
    if (because !== undefined) throw new DrillStopped("ABORTED", because);
    await delay(Math.min(WATCH_STEP_MS, untilMs - nowMs), undefined, { signal });
  }
}

function requireGoodBaseline(load: LoadProcess): void {
  const ticks = load.ticks(0, () => true);
  const failed = ticks.reduce((sum, tick) => sum + tick.failed, 0);
  const calls = ticks.reduce((sum, tick) => sum + tick.ok + tick.failed, 0);
  if (calls === 0) throw new DrillStopped("INVALID", "no call was answered before the fault");
  if (failed > calls * BASELINE_FAILED_SHARE_MAX)
    throw new DrillStopped(
      "INVALID",
      `${failed} of ${calls} calls failed before the fault, so it was not injected`,
    );
}

async function injectFault(context: PhasesContext, observer: StatusObserver): Promise<void> {
  const { drill, federation, notes, safety } = context;
  const { zone } = drill.target;
  const { stateDirectory } = federation;
  const victims = await livingProcesses(stateDirectory, zone);
  safety.intend(FAULT_INTENT, { kind: "start-zone", stateDirectory, zone }, drill.deadManMs);
  notes.event(`fault: kill -9 of all ${victims.length} processes of ${zone}`);
  observer.watchForDown();
  notes.mark("faultCommandedMs");
  const killing = recordDeed(notes, "kill", async () => {
    await actOnZone(stateDirectory, zone, "kill");
    return [];
  });
  // Watched here, as the answer comes later than the death; its failure is told below.
  killing.catch(() => undefined);
  const left = await waitUntilGone(victims, GONE_LIMIT_MS);
  notes.mark("faultedMs");
  await killing;
  const others = await livingProcesses(stateDirectory, zone);
  if (left.length > 0 || others.length > 0)
    throw new DrillStopped(
      "INVALID",
      `the fault was not proved: processes ${[...left, ...others].map(({ pid }) => pid).join(", ")} of ${zone} live`,
    );
  notes.event(`proved: no process of ${zone} is left`);
}

async function undoFault({ drill, notes, safety }: PhasesContext): Promise<void> {
  const lastedMs = machineNowMs() - (notes.moments().faultCommandedMs ?? 0);
  // Open or not: the watchdog may be undoing it at this moment.
  if (lastedMs >= drill.deadManMs || !safety.isOpen(FAULT_INTENT))
    throw new DrillStopped(
      "ABORTED",
      `the watchdog undid the fault after ${drill.deadManMs} ms, as this runner did not`,
    );
  notes.event(`undo: starting ${drill.target.zone}`);
  notes.mark("healCommandedMs");
  const failures = await recordDeed(notes, "start", () => safety.undo(FAULT_INTENT));
  if (failures.length > 0) throw new DrillStopped("ABORTED", failures.join("; "));
  notes.mark("healedMs");
  notes.event(`recovery: ${drill.target.zone} is running`);
}

/** Notes when the deed began and ended, and what it returns or throws as its failure. */
async function recordDeed(
  notes: RunNotes,
  kind: Deed["kind"],
  perform: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const fromMs = machineNowMs();
  let failures: readonly string[] = [];
  try {
    failures = await perform();
    return failures;
  } catch (error) {
    failures = [String(error)];
    throw error;
  } finally {
    const failure = failures.length === 0 ? null : failures.join("; ");
    notes.deed({ kind, fromMs, untilMs: machineNowMs(), failure });
  }
}

async function livingProcesses(stateDirectory: string, zone: string): Promise<ProcessIdentity[]> {
  const credentials = await readCredentials(stateDirectory);
  const pids = credentials?.zones[zone]?.pids ?? [];
  return pids.map(identifyProcess).filter((identity) => identity !== undefined);
}

function survivingGateway({ doors }: Federation, zone: string): string {
  return doors.gateways.find((gateway) => gateway.zone !== zone)?.url ?? doors.endpoint;
}

/** The fault comes at another point of the system's probe period in each run, but the same for a seed. */
const PROBE_PERIOD_MS = 500;
const probeOffsetMs = ({ seed }: LoadPlan): number => seed % PROBE_PERIOD_MS;
