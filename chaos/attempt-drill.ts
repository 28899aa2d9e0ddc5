import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { isStillRunning, type ProcessIdentity } from "#lib/io/process-identity.ts";
import type { EarlyEnd } from "./core/judge-verdict.ts";
import type { DrillOptions } from "./drill-options.ts";
import { drillOnFederation, type Run, type Sightings } from "./drill-on-federation.ts";
import { DrillStopped } from "./io/drill-stopped.ts";
import type { Federation } from "./io/federation.ts";
import { startOwnFederation } from "./io/own-federation.ts";
import { type HeldFederation, holdFederation } from "./io/running-federation.ts";
import { openSafetyNet, type SafetyNet } from "./io/safety-net.ts";
import { journalDirectory, journalFileIn, removeJournal, scanResidue } from "./io/scan-residue.ts";
import { readProcesses } from "./io/state-files.ts";
import { unreadyPrograms } from "./io/zone-control.ts";
import type { RunNotes } from "./run-notes.ts";

/** All that a run leaves to be judged, however it ended. */
export interface Attempt extends Readonly<Sightings> {
  readonly earlyEnd: EarlyEnd | null;
  /** What is still there and should not be; told apart from the verdict. */
  readonly leftBehind: readonly string[];
}

/** Runs the drill and puts everything right afterwards. Never rejects: a failure is an early end. */
export async function attemptDrill(
  run: Run,
  options: DrillOptions,
  notes: RunNotes,
): Promise<Attempt> {
  const sightings: Sightings = {
    series: [],
    load: null,
    steadyStateBefore: null,
    steadyStateAfter: null,
  };
  const leftBehind: string[] = [];
  let earlyEnd: EarlyEnd | null = null;
  try {
    await putRightAndDrill(run, options, notes, sightings, leftBehind);
  } catch (error) {
    earlyEnd = describeEnd(error, options.signal, notes.moments().faultCommandedMs !== null);
    notes.event(`${earlyEnd.verdict.toLowerCase()}: ${earlyEnd.because}`);
  }
  return { ...sightings, earlyEnd, leftBehind };
}

async function putRightAndDrill(
  run: Run,
  options: DrillOptions,
  notes: RunNotes,
  sightings: Sightings,
  leftBehind: string[],
): Promise<void> {
  const directory = options.journalDirectory ?? journalDirectory();
  const residue = await scanResidue(directory);
  if (residue.dirty.length > 0) throw new DrillStopped("BLOCKED", residue.dirty.join("; "));
  for (const runId of residue.undone) notes.event(`put right what drill ${runId} had left open`);

  const held =
    options.state === undefined
      ? undefined
      : await holdFederation(resolve(options.state), options.signal);
  const journalFile = journalFileIn(directory, run.runId);
  try {
    const safety = await openSafetyNet(run.runId, journalFile);
    try {
      await drillSafely(run, options, held, safety, notes, sightings, leftBehind);
    } finally {
      await safety.close();
    }
  } finally {
    // While something is left, its journal tells the next drill.
    if (leftBehind.length === 0) removeJournal(journalFile);
    held?.lock.release();
  }
}

async function drillSafely(
  run: Run,
  options: DrillOptions,
  held: HeldFederation | undefined,
  safety: SafetyNet,
  notes: RunNotes,
  sightings: Sightings,
  leftBehind: string[],
): Promise<void> {
  let federation: Federation | undefined;
  try {
    federation = held?.federation ?? (await startOwn(run, options, safety, notes));
    await drillOnFederation(run, federation, safety, notes, options.signal, sightings);
  } finally {
    notes.event("cleaning up");
    const processes =
      federation?.isOwn === true ? await readProcesses(federation.stateDirectory) : [];
    leftBehind.push(...(await safety.undo()));
    if (federation !== undefined)
      leftBehind.push(...(await findLeftovers(run, federation, processes)));
  }
}

async function startOwn(
  run: Run,
  options: DrillOptions,
  safety: SafetyNet,
  notes: RunNotes,
): Promise<Federation> {
  const { withoutFailover, signal } = options;
  notes.event(`starting a federation${withoutFailover ? " without failover" : ""}`);
  const meridian = join(import.meta.dirname, "..", "cli", "meridian.ts");
  return startOwnFederation({
    command: options.federationCommand ?? [process.execPath, meridian, "up"],
    withoutFailover,
    logFile: join(run.reportDirectory, "federation.log"),
    safety,
    signal,
  });
}

/** Looks with its own eyes, whatever the undoing said of itself. */
async function findLeftovers(
  { drill }: Run,
  { isOwn, stateDirectory }: Federation,
  processes: readonly ProcessIdentity[],
): Promise<string[]> {
  if (isOwn)
    return [
      ...processes.filter(isStillRunning).map(({ pid }) => `process ${pid} still runs`),
      ...(existsSync(stateDirectory) ? [`${stateDirectory} is still there`] : []),
    ];
  const { zone } = drill.target;
  const unready = await unreadyPrograms(stateDirectory, zone);
  if (unready === undefined) return [`"meridian up" does not say whether ${zone} runs`];
  return unready.map((program) => `${program} is not running`);
}

function describeEnd(error: unknown, signal: AbortSignal, wasInjected: boolean): EarlyEnd {
  if (error instanceof DrillStopped) return error;
  const because = error instanceof Error ? error.message : String(error);
  if (signal.aborted) return { verdict: "INTERRUPTED", because: String(signal.reason) };
  return { verdict: wasInjected ? "INVALID" : "BLOCKED", because };
}
