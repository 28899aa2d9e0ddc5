import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { isStillRunning, type ProcessIdentity, signalProcess } from "#lib/io/process-identity.ts";
import {
  describeUndo,
  type Intent,
  isMootBy,
  openIntents,
  type Undo,
  type UndoneBy,
} from "../core/open-intents.ts";
import { managementClient } from "./management-client.ts";
import { markUndone, readJournal } from "./safety-journal.ts";
import { readCredentials, readProcesses } from "./state-files.ts";
import { actOnZone, isUpRunning } from "./zone-control.ts";

const GRACEFUL_STOP_LIMIT_MS = 10_000;
const KILLED_LIMIT_MS = 5_000;
const POLL_MS = 20;

/**
 * Undoes what the journal tells to be open, the newest first, each whether or not another one failed. Returns what could not be
 * undone, in words. Runner, watchdog and the scan of the next run all come here, and may do so at the same time.
 */
export async function undoOpenIntents(
  journalFile: string,
  by: UndoneBy,
  matches: (intent: Intent) => boolean = () => true,
): Promise<string[]> {
  const open = openIntents(readJournal(journalFile));
  const failures: string[] = [];
  for (const intent of open.filter(matches)) {
    try {
      // While all of it goes, nothing inside needs to be put right; but a part that is asked for alone does.
      if (!isMootBy(intent.undo, open.filter(matches))) await performUndo(intent.undo);
      markUndone(journalFile, intent.id, by);
    } catch (error) {
      failures.push(`${describeUndo(intent.undo)}, but: ${describeError(error)}`);
    }
  }
  return failures;
}

async function performUndo(undo: Undo): Promise<void> {
  switch (undo.kind) {
    case "start-zone":
      return startZone(undo.stateDirectory, undo.zone);
    case "delete-functions":
      return deleteFunctions(undo.stateDirectory, undo.tenant, undo.functions);
    case "stop-federation":
      return stopFederation(undo.stateDirectory, undo.up);
  }
}

/** Without an `up` there is nothing to put right: the next one starts every zone. */
async function startZone(stateDirectory: string, zone: string): Promise<void> {
  if (await isUpRunning(stateDirectory)) await actOnZone(stateDirectory, zone, "start");
}

async function deleteFunctions(
  stateDirectory: string,
  tenant: string,
  functions: readonly string[],
): Promise<void> {
  const credentials = await readCredentials(stateDirectory);
  if (credentials === undefined) throw new Error(`${stateDirectory} holds no credentials any more`);
  const client = managementClient(credentials.endpoint, credentials.operator.apiKey);
  for (const functionName of functions) await client.remove(tenant, functionName);
}

/** Asks `up` to end, then ends by force whatever of the federation still runs, then removes its folder. */
async function stopFederation(stateDirectory: string, up: ProcessIdentity | null): Promise<void> {
  const processes = await readProcesses(stateDirectory);
  const all = up === null ? processes : [up, ...processes];
  if (up !== null && signalProcess(up, "SIGTERM")) await waitUntilGone(all, GRACEFUL_STOP_LIMIT_MS);
  const stubborn = all.filter((one) => signalProcess(one, "SIGKILL"));
  const left = await waitUntilGone(stubborn, KILLED_LIMIT_MS);
  if (left.length > 0)
    throw new Error(`processes ${left.map(({ pid }) => pid).join(", ")} do not end`);
  await rm(stateDirectory, { recursive: true, force: true });
}

/** Those that still run when the time is over. */
export async function waitUntilGone(
  identities: readonly ProcessIdentity[],
  limitMs: number,
): Promise<readonly ProcessIdentity[]> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const left = identities.filter(isStillRunning);
    if (left.length === 0 || performance.now() >= deadlineMs) return left;
    await delay(POLL_MS);
  }
}

const describeError = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
