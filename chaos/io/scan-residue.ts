import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { isStillRunning } from "#lib/io/process-identity.ts";
import { openIntents } from "../core/open-intents.ts";
import { undoOpenIntents } from "./perform-undo.ts";
import { readJournal } from "./safety-journal.ts";

const JOURNAL_ENDING = ".journal.jsonl";
const FRESH_MS = 60_000;

export interface Residue {
  /** Runs that died with something open, which is put right now. */
  readonly undone: readonly string[];
  /** What could not be put right: no drill may begin on top of it. */
  readonly dirty: readonly string[];
}

export const journalFileIn = (directory: string, runId: string): string =>
  join(directory, `${runId}${JOURNAL_ENDING}`);

/** Where this user's journals are, for this user alone: undoing what a journal says means trusting who wrote it. */
export function journalDirectory(): string {
  const { uid } = userInfo();
  const directory = join(tmpdir(), `meridian-drills-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (uid >= 0 && statSync(directory).uid !== uid)
    throw new Error(`${directory} belongs to somebody else: remove it`);
  return directory;
}

/** Puts right what runs that are dead left open. Runs that live keep theirs. */
export async function scanResidue(directory: string): Promise<Residue> {
  const undone: string[] = [];
  const dirty: string[] = [];
  const names = readdirSync(directory).filter((name) => name.endsWith(JOURNAL_ENDING));
  for (const name of names) {
    const file = join(directory, name);
    try {
      const found = await settle(file);
      if (found === "undone") undone.push(name.slice(0, -JOURNAL_ENDING.length));
    } catch (error) {
      dirty.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { undone, dirty };
}

async function settle(file: string): Promise<"running" | "clean" | "undone"> {
  const lines = readJournal(file);
  const run = lines.find((line) => line.kind === "run");
  if (run === undefined ? isFresh(file) : isStillRunning(run.runner)) return "running";
  const wasOpen = openIntents(lines).length > 0;
  const failures = await undoOpenIntents(file, "scan");
  if (failures.length > 0)
    throw new Error(
      `an earlier drill is not undone: ${failures.join("; ")}. Put it right by hand, then delete ${file}`,
    );
  removeJournal(file);
  return wasOpen ? "undone" : "clean";
}

/** A journal without its first line belongs to a run that just begins, or that died beginning. */
const isFresh = (file: string): boolean => Date.now() - statSync(file).mtimeMs < FRESH_MS;

/** A journal with nothing open has served. */
export function removeJournal(file: string): void {
  rmSync(file, { force: true });
  rmSync(`${file}.watchdog.log`, { force: true });
}
