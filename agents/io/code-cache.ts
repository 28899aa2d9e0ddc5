import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { toMeridianError } from "#lib/problem.ts";
import { chooseDiscards } from "../core/choose-discards.ts";
import { sealOf } from "./seal-code.ts";
import { unpackCode } from "./unpack-code.ts";

/** Code that changes again and again right after it was unpacked is not waited for. */
const HOLD_ATTEMPTS_MAX = 3;
/** Errors of the system that the same archive would meet on any machine; a full disk is none. */
const ARCHIVE_ERRORS: readonly string[] = ["ENAMETOOLONG", "EEXIST", "ENOTDIR", "EISDIR", "EINVAL"];

/** Unpacked code, by digest, on this cluster's disk. */
export interface CodeCache {
  /**
   * The code's folder as it was unpacked, fetched first where it is not here or was changed; it stays until `release`. Fails
   * with MERIDIAN_CODE_UNAVAILABLE, or with MERIDIAN_CODE_INVALID where no other cluster could unpack it either.
   */
  readonly hold: (digest: string, archiveBytes: number) => Promise<HeldCode>;
  readonly has: (digest: string) => boolean;
  /** What is not held may be discarded for newer code once all of it exceeds this. */
  readonly bytesMax: number;
  readonly close: () => Promise<void>;
}

export interface HeldCode {
  readonly directory: string;
  readonly release: () => void;
}

/** Writes the archive with that digest, verified, to the path. */
export type FetchArchive = (
  digest: string,
  bytesMax: number,
  path: string,
  signal: AbortSignal,
) => Promise<void>;

interface Unpacked {
  readonly directory: string;
  readonly bytes: number;
  readonly seal: string;
  /** Somebody changed it: it goes with its last holder. */
  isSpoilt: boolean;
  holders: number;
  usedAtMs: number;
}

/**
 * Opens the cache in its folder: a new folder for each unpacking, in place only once it is whole and synced, and beside each a
 * small file with its size and seal. Instances run as the agent's user and could write to the folders, so the seal is compared
 * at each hold. Fetches of one digest are shared.
 */
export async function openCodeCache(
  folder: string,
  bytesMax: number,
  fetchArchive: FetchArchive,
  log: Logger,
): Promise<CodeCache> {
  const arriving = join(folder, "arriving");
  await rm(arriving, { recursive: true, force: true });
  await mkdir(arriving, { recursive: true, mode: 0o700 });
  // Node asks the nearest package.json above a `.js` what it is; without this one, that of whoever runs Meridian would answer.
  await writeFile(join(folder, "package.json"), "{}\n");
  const unpacked = await readCache(folder);
  const fetching = new Map<string, Promise<Unpacked>>();
  const stopping = new AbortController();

  const bring = async (digest: string, archiveBytes: number): Promise<Unpacked> => {
    const unique = randomBytes(6).toString("hex");
    const temporary = join(arriving, unique);
    const archive = `${temporary}.zip`;
    try {
      await fetchArchive(digest, archiveBytes, archive, stopping.signal);
      const bytes = await unpackCode(archive, temporary).catch(unusable(digest));
      const directory = join(folder, `${digest.replace(":", "-")}.${unique}`);
      await rename(temporary, directory);
      const record = { bytes, seal: await sealOf(directory) };
      await writeAtomically(recordPath(directory), JSON.stringify(record));
      const arrived = unpackedAt(directory, record, performance.now());
      unpacked.set(digest, arrived);
      return arrived;
    } finally {
      await rm(archive, { force: true });
      await rm(temporary, { recursive: true, force: true });
    }
  };

  const find = (digest: string, archiveBytes: number): Promise<Unpacked> => {
    const here = unpacked.get(digest);
    if (here !== undefined) return Promise.resolve(here);
    const running = fetching.get(digest) ?? bring(digest, archiveBytes);
    fetching.set(digest, running);
    void running.catch(() => undefined).finally(() => fetching.delete(digest));
    return running;
  };

  const discardOld = async (): Promise<void> => {
    const entries = [...unpacked].map(([digest, entry]) => ({ digest, ...entry }));
    for (const { digest, directory } of chooseDiscards(entries, bytesMax)) {
      unpacked.delete(digest);
      await discard(directory);
    }
  };
  const discardQuietly = (discarding: Promise<void>): void => {
    discarding.catch((error: unknown) => log.error({ err: error }, "old code stays on disk"));
  };

  const holdOn = (entry: Unpacked): HeldCode => {
    entry.holders += 1;
    entry.usedAtMs = performance.now();
    let isHeld = true;
    return {
      directory: entry.directory,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        entry.holders -= 1;
        if (entry.isSpoilt && entry.holders === 0) discardQuietly(discard(entry.directory));
      },
    };
  };
  /** Instances that run from it keep it; nobody starts from it again. */
  const spoil = async (digest: string, entry: Unpacked): Promise<void> => {
    if (unpacked.get(digest) === entry) unpacked.delete(digest);
    if (entry.isSpoilt) return;
    entry.isSpoilt = true;
    log.warn({ digest, directory: entry.directory }, "code was changed on disk; unpacking it anew");
    await rm(recordPath(entry.directory), { force: true });
  };

  return {
    bytesMax,
    has: (digest) => unpacked.has(digest),
    hold: async (digest, archiveBytes) => {
      for (let attempt = 1; attempt <= HOLD_ATTEMPTS_MAX; attempt += 1) {
        const entry = await find(digest, archiveBytes).catch((error: unknown) => {
          throw unavailable(error);
        });
        // It may have been discarded in the moment between; what is held is not.
        if (unpacked.get(digest) !== entry) continue;
        const held = holdOn(entry);
        if ((await sealOf(entry.directory).catch(() => "")) === entry.seal) {
          discardQuietly(discardOld());
          return held;
        }
        await spoil(digest, entry).finally(held.release);
      }
      throw unavailable(new Error(`the code ${digest} does not stay as it was unpacked`));
    },
    close: async () => {
      stopping.abort(new Error("the code cache is closed"));
      await Promise.allSettled(fetching.values());
    },
  };
}

type CodeRecord = Pick<Unpacked, "bytes" | "seal">;

const unpackedAt = (
  directory: string,
  { bytes, seal }: CodeRecord,
  usedAtMs: number,
): Unpacked => ({
  directory,
  bytes,
  seal,
  isSpoilt: false,
  holders: 0,
  usedAtMs,
});

const recordPath = (directory: string): string => `${directory}.json`;

/** The record first: without it a folder counts as never finished. */
async function discard(directory: string): Promise<void> {
  await rm(recordPath(directory), { force: true });
  await rm(directory, { recursive: true, force: true });
}

async function readCache(folder: string): Promise<Map<string, Unpacked>> {
  const unpacked = new Map<string, Unpacked>();
  const names = await readdir(folder);
  for (const name of names) {
    if (
      !name.startsWith("sha256-") ||
      (name.endsWith(".json") && names.includes(name.slice(0, -5)))
    )
      continue;
    const directory = join(folder, name);
    const [, hash] = /^sha256-([0-9a-f]{64})\.[0-9a-f]{12}$/.exec(name) ?? [];
    const digest = `sha256:${hash}`;
    const record = await readRecord(recordPath(directory));
    // Never finished, there twice, or a record whose folder is gone.
    if (hash === undefined || record === undefined || unpacked.has(digest))
      await discard(directory);
    else unpacked.set(digest, unpackedAt(directory, record, 0));
  }
  return unpacked;
}

async function readRecord(path: string): Promise<CodeRecord | undefined> {
  try {
    const { bytes, seal } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    return typeof bytes === "number" && typeof seal === "string" ? { bytes, seal } : undefined;
  } catch {
    return undefined;
  }
}

const unusable = (digest: string) => (cause: unknown) => {
  // What the system refuses for its own reasons, such as a full disk, may succeed elsewhere; a bad archive never does.
  const code = cause instanceof Error && "syscall" in cause && "code" in cause ? cause.code : "";
  if (code !== "" && !ARCHIVE_ERRORS.includes(String(code))) throw cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new MeridianError(
    "MERIDIAN_CODE_INVALID",
    `The archive ${digest} cannot be unpacked: ${why}. Deploy the function again from an ordinary zip file.`,
    { cause },
  );
};

/** A full disk or a store out of reach: the call may go to another cluster. */
function unavailable(error: unknown): MeridianError {
  const known = toMeridianError(error);
  if (known.code === "MERIDIAN_CODE_UNAVAILABLE" || known.code === "MERIDIAN_CODE_INVALID")
    return known;
  return new MeridianError(
    "MERIDIAN_CODE_UNAVAILABLE",
    "The function's code could not be put in place on this cluster; its log has the details.",
    { cause: error },
  );
}
