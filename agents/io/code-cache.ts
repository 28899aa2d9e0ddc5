import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { toMeridianError } from "#lib/problem.ts";
import { chooseDiscards } from "../core/choose-discards.ts";
import { unpackCode } from "./unpack-code.ts";

/** Unpacked code, by digest, on this cluster's disk. */
export interface CodeCache {
  /** The code's folder, fetched first where it is not here; it stays until `release`. Fails with MERIDIAN_CODE_UNAVAILABLE. */
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
  holders: number;
  usedAtMs: number;
}

/**
 * Opens the cache in its folder: one folder per digest, in place only once it is whole and synced, and beside each a small file
 * with its size. Fetches of one digest are shared.
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
  const unpacked = await readCache(folder);
  const fetching = new Map<string, Promise<Unpacked>>();
  const stopping = new AbortController();

  const bring = async (digest: string, archiveBytes: number): Promise<Unpacked> => {
    const name = folderName(digest);
    const temporary = join(arriving, randomBytes(6).toString("hex"));
    const archive = `${temporary}.zip`;
    try {
      await fetchArchive(digest, archiveBytes, archive, stopping.signal);
      const bytes = await unpackCode(archive, temporary).catch(unusable(digest));
      const directory = join(folder, name);
      await rm(directory, { recursive: true, force: true });
      await rename(temporary, directory);
      await writeAtomically(join(folder, `${name}.json`), JSON.stringify({ bytes }));
      const arrived: Unpacked = { directory, bytes, holders: 0, usedAtMs: performance.now() };
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
      await rm(`${directory}.json`, { force: true });
      await rm(directory, { recursive: true, force: true });
    }
  };

  return {
    bytesMax,
    has: (digest) => unpacked.has(digest),
    hold: async (digest, archiveBytes) => {
      for (;;) {
        const entry = await find(digest, archiveBytes).catch((error: unknown) => {
          throw unavailable(error);
        });
        // It may have been discarded in the moment between; what is held is not.
        if (unpacked.get(digest) !== entry) continue;
        const held = holdOn(entry);
        discardOld().catch((error: unknown) => log.error({ err: error }, "old code stays on disk"));
        return held;
      }
    },
    close: async () => {
      stopping.abort(new Error("the code cache is closed"));
      await Promise.allSettled(fetching.values());
    },
  };
}

function holdOn(entry: Unpacked): HeldCode {
  entry.holders += 1;
  entry.usedAtMs = performance.now();
  let isHeld = true;
  return {
    directory: entry.directory,
    release: () => {
      if (isHeld) entry.holders -= 1;
      isHeld = false;
    },
  };
}

const folderName = (digest: string): string => digest.replace(":", "-");

async function readCache(folder: string): Promise<Map<string, Unpacked>> {
  const names = new Set(await readdir(folder));
  const unpacked = new Map<string, Unpacked>();
  for (const name of names) {
    if (!/^sha256-[0-9a-f]{64}$/.test(name)) continue;
    const directory = join(folder, name);
    const bytes = await readSize(`${directory}.json`);
    // Without its size it was never finished.
    if (bytes === undefined) await rm(directory, { recursive: true, force: true });
    else unpacked.set(name.replace("-", ":"), { directory, bytes, holders: 0, usedAtMs: 0 });
  }
  return unpacked;
}

async function readSize(path: string): Promise<number | undefined> {
  try {
    const { bytes } = JSON.parse(await readFile(path, "utf8")) as { bytes?: unknown };
    return typeof bytes === "number" ? bytes : undefined;
  } catch {
    return undefined;
  }
}

const unusable = (digest: string) => (cause: unknown) => {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new MeridianError(
    "MERIDIAN_CODE_UNAVAILABLE",
    `The archive ${digest} cannot be unpacked: ${why}. Deploy the function again.`,
    { cause },
  );
};

/** A full disk or a store out of reach: the call may go to another cluster. */
function unavailable(error: unknown): MeridianError {
  const known = toMeridianError(error);
  if (known.code === "MERIDIAN_CODE_UNAVAILABLE") return known;
  return new MeridianError(
    "MERIDIAN_CODE_UNAVAILABLE",
    "The function's code could not be put in place on this cluster; its log has the details.",
    { cause: error },
  );
}
