import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { identifyProcess } from "#lib/io/process-identity.ts";
import { openIntents, type Undo } from "../core/open-intents.ts";
import { undoOpenIntents } from "./perform-undo.ts";
import { appendToJournal, intend, readJournal } from "./safety-journal.ts";

const WATCHDOG_START_LIMIT_MS = 10_000;
const WATCHDOG_END_LIMIT_MS = 5_000;

/** Undoing, guaranteed: journal first, then the deed; and a process that remembers when the runner cannot. */
export interface SafetyNet {
  /** On disk when it returns. Told again with the same id, it replaces what was told before. */
  readonly intend: (id: string, undo: Undo, deadManMs?: number) => void;
  /** Whether it is still to be undone; false when the watchdog was first. */
  readonly isOpen: (id: string) => boolean;
  /** Undoes one of them, or all; returns what could not be undone. */
  readonly undo: (id?: string) => Promise<string[]>;
  readonly isWatched: () => boolean;
  /** Lets the watchdog go; what is open then, it undoes. */
  readonly close: () => Promise<void>;
}

export async function openSafetyNet(runId: string, journalFile: string): Promise<SafetyNet> {
  const runner = identifyProcess(process.pid);
  if (runner === undefined) throw new Error("this system does not tell when a process started");
  appendToJournal(journalFile, { kind: "run", runId, runner });
  const watchdog = await startWatchdog(journalFile);

  return {
    intend: (id, undo, deadManMs) => {
      intend(journalFile, id, undo, deadManMs ?? null);
      if (deadManMs !== undefined)
        watchdog.stdin?.write(`${JSON.stringify({ kind: "arm", deadManMs })}\n`);
    },
    isOpen: (id) => openIntents(readJournal(journalFile)).some((intent) => intent.id === id),
    undo: (id) =>
      undoOpenIntents(journalFile, "runner", (intent) => id === undefined || intent.id === id),
    isWatched: () => watchdog.exitCode === null && watchdog.signalCode === null,
    close: async () => {
      if (watchdog.exitCode !== null || watchdog.signalCode !== null) return;
      const ended = once(watchdog, "exit", { signal: AbortSignal.timeout(WATCHDOG_END_LIMIT_MS) });
      watchdog.stdin?.end();
      await ended.catch(() => {
        // It still undoes something; it ends by itself, and its journal stays for the next scan.
        watchdog.unref();
      });
    },
  };
}

/** In a session of its own, so that Ctrl-C and the end of the terminal do not reach it. */
async function startWatchdog(journalFile: string): Promise<ChildProcess> {
  const log = openSync(`${journalFile}.watchdog.log`, "a", 0o600);
  const watchdog = spawn(
    process.execPath,
    [join(import.meta.dirname, "watchdog.ts"), journalFile],
    {
      detached: true,
      stdio: ["pipe", "pipe", log],
    },
  );
  closeSync(log);
  watchdog.stdin?.on("error", () => {
    // A watchdog that died shows in isWatched, which ends the drill.
  });
  const { stdout } = watchdog;
  if (stdout === null) throw new Error("the watchdog has no output");
  try {
    await once(stdout, "data", { signal: AbortSignal.timeout(WATCHDOG_START_LIMIT_MS) });
  } catch (cause) {
    watchdog.kill("SIGKILL");
    throw new Error(`the watchdog did not start: see ${journalFile}.watchdog.log`, { cause });
  }
  stdout.destroy();
  return watchdog;
}
