import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "#lib/io/sync-folder.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import {
  type AuditDraft,
  type AuditLine,
  chainEntry,
  type ChainedEntry,
  parseAuditLine,
} from "./audit-chain.ts";

export interface AuditFileLimits {
  /** A file that has reached this size is closed and the next begun. */
  readonly fileBytesMax: number;
  /** Older files are deleted. */
  readonly filesMax: number;
}
const AUDIT_FILE_LIMITS: AuditFileLimits = { fileBytesMax: 4 * 1024 * 1024, filesMax: 16 };
/** Appends that wait for the disk; beyond this they are refused. */
const WAITING_MAX = 1_000;

/** An append-only chain of entries in numbered files of JSON lines. */
export interface AuditFile {
  /** How far the catalog's history is written. */
  readonly cursor: () => Position;
  /** Durable once resolved; `cursor` moves with the entry. Appends made meanwhile share one sync. */
  readonly append: (draft: AuditDraft, cursor?: Position) => Promise<void>;
  /** The newest entries that `wanted` accepts, newest first; `mention` is a text that each of them must contain. */
  readonly newest: (
    limit: number,
    wanted: (entry: ChainedEntry) => boolean,
    mention: string | null,
  ) => Promise<ChainedEntry[]>;
  readonly close: () => Promise<void>;
}

interface Waiting {
  readonly draft: AuditDraft;
  readonly cursor: Position | undefined;
  readonly done: PromiseWithResolvers<void>;
}

/** Opens or begins the chain; what a crash left half-written at its end is cut off. */
export async function openAuditFile(
  directory: string,
  limits: AuditFileLimits = AUDIT_FILE_LIMITS,
): Promise<AuditFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await chainFiles(directory);
  let last = await repairEnd(directory, names);
  const files = await openNewest(directory, names, limits);
  let waiting: Waiting[] = [];
  let flushing: Promise<void> | undefined;

  const write = async (batch: readonly Waiting[]): Promise<void> => {
    let end = last;
    let text = "";
    for (const { draft, cursor } of batch) {
      end = { cursor: cursor ?? end?.cursor ?? NOWHERE, entry: chainEntry(end?.entry, draft) };
      text += `${JSON.stringify(end)}\n`;
    }
    await files.append(text, (last?.entry.sequence ?? 0) + 1);
    last = end;
  };

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await write(batch);
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    flushing = undefined;
  };

  return {
    cursor: () => last?.cursor ?? NOWHERE,
    append: (draft, cursor) => {
      if (waiting.length >= WAITING_MAX)
        return Promise.reject(new Error(`${WAITING_MAX} audit entries wait for the disk`));
      const done = Promise.withResolvers<void>();
      waiting.push({ draft, cursor, done });
      flushing ??= flush();
      return done.promise;
    },
    newest: async (limit, wanted, mention) => {
      const found: ChainedEntry[] = [];
      for (const path of files.newestFirst()) {
        for (const line of (await readLines(path)).toReversed()) {
          if (found.length >= limit) return found;
          if (mention !== null && !line.includes(mention)) continue;
          const parsed = parseAuditLine(line);
          if (parsed !== undefined && wanted(parsed.entry)) found.push(parsed.entry);
        }
      }
      return found;
    },
    close: async () => {
      await flushing;
      await files.close();
    },
  };
}

interface ChainFiles {
  /** Durable once resolved; a new file is named for the sequence it begins with. */
  readonly append: (text: string, sequence: number) => Promise<void>;
  readonly newestFirst: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** Writes at the end of the newest file, begins the next when that is full, deletes the oldest beyond their number. */
async function openNewest(
  directory: string,
  existing: readonly string[],
  limits: AuditFileLimits,
): Promise<ChainFiles> {
  let names = [...existing];
  const newest = names.at(-1);
  let file: FileHandle | undefined;
  let fileBytes = 0;
  if (newest !== undefined) {
    file = await open(join(directory, newest), "r+");
    fileBytes = (await file.stat()).size;
  }

  const beginNext = async (sequence: number): Promise<FileHandle> => {
    const name = fileName(sequence);
    const next = await open(join(directory, name), "w", 0o600);
    await syncFolder(directory);
    await file?.close();
    file = next;
    fileBytes = 0;
    names.push(name);
    const outdated = names.slice(0, Math.max(0, names.length - limits.filesMax));
    names = names.slice(outdated.length);
    for (const old of outdated) await rm(join(directory, old), { force: true });
    return next;
  };

  return {
    append: async (text, sequence) => {
      const isFull = fileBytes >= limits.fileBytesMax;
      const target = file === undefined || isFull ? await beginNext(sequence) : file;
      const bytes = Buffer.from(text);
      // At the known end: what a write that failed left beyond it is overwritten, or cut off by the next start.
      const { bytesWritten } = await target.write(bytes, 0, bytes.length, fileBytes);
      if (bytesWritten < bytes.length)
        throw new Error("the disk took only a part of the audit entry");
      await target.datasync();
      fileBytes += bytes.length;
    },
    newestFirst: () => names.toReversed().map((name) => join(directory, name)),
    close: async () => {
      await file?.close();
    },
  };
}

const NOWHERE: Position = { incarnation: "", revision: 0 };

/** By the sequence of its first entry, so that the order of names is the order of the chain. */
const fileName = (sequence: number): string => `audit-${String(sequence).padStart(12, "0")}.jsonl`;

const chainFiles = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => /^audit-\d{12}\.jsonl$/.test(name)).toSorted();

/** Complete lines; what follows the last line end was never acknowledged. */
async function readLines(path: string): Promise<string[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").slice(0, -1);
}

/** The last good line; lines torn by a crash are cut off behind it. */
async function repairEnd(directory: string, names: string[]): Promise<AuditLine | undefined> {
  for (;;) {
    const name = names.at(-1);
    if (name === undefined) return undefined;
    const path = join(directory, name);
    const bytes = await readFile(path);
    let end = bytes.lastIndexOf(NEW_LINE) + 1;
    while (end > 0) {
      const start = bytes.lastIndexOf(NEW_LINE, end - 2) + 1;
      const line = parseAuditLine(bytes.toString("utf8", start, end - 1));
      if (line !== undefined) {
        await cutOff(path, end, bytes.length);
        return line;
      }
      end = start;
    }
    // Set aside, not deleted: a full file that cannot be read is no crash's doing.
    if (bytes.includes(NEW_LINE)) await rename(path, `${path}.unreadable`);
    else await rm(path);
    names.pop();
  }
}

const NEW_LINE = 0x0a;

async function cutOff(path: string, end: number, length: number): Promise<void> {
  if (end === length) return;
  const file = await open(path, "r+");
  try {
    await file.truncate(end);
    await file.sync();
  } finally {
    await file.close();
  }
}
