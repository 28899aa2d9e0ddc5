import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { chooseDiscards } from "../core/choose-discards.ts";
import { isDiskFull, unavailable, unusable } from "./code-failures.ts";
import { type CodeTroubles, codeTroubles } from "./code-troubles.ts";
import { sealOf } from "./seal-code.ts";
import { unpackCode } from "./unpack-code.ts";
import {
  discardUnpacked,
  forgetUnpacked,
  readUnpacked,
  recordUnpacked,
  type Unpacked,
} from "./unpacked-code.ts";

/** Code that changes again and again right after it was unpacked is not waited for. */
const HOLD_ATTEMPTS_MAX = 3;
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

export interface OpenCodeCache extends CodeCache {
  /** What cannot be put in place at the moment, and why. */
  readonly troubles: CodeTroubles["report"];
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

/**
 * Opens the cache in its folder: a new folder for each unpacking, in place only once it is whole and synced, and beside each a
 * small file with its size and seal. Instances run as the agent's user and could write to the folders, so the seal is compared
 * at each hold. Fetches of one digest are shared.
 */
export async function openCodeCache(
  folder: string,
  bytesMax: number,
  fetchArchive: FetchArchive,
  clock: Pick<Clock, "nowMs">,
  log: Logger,
): Promise<OpenCodeCache> {
  const arriving = join(folder, "arriving");
  await rm(arriving, { recursive: true, force: true });
  await mkdir(arriving, { recursive: true, mode: 0o700 });
  // Node asks the nearest package.json above a `.js` what it is; without this one, that of whoever runs Meridian would answer.
  await writeFile(join(folder, "package.json"), "{}\n");
  const unpacked = await readUnpacked(folder);
  const fetching = new Map<string, Promise<Unpacked>>();
  const stopping = new AbortController();
  const troubles = codeTroubles(clock, log);

  const bring = async (digest: string, archiveBytes: number): Promise<Unpacked> => {
    const unique = randomBytes(6).toString("hex");
    const temporary = join(arriving, unique);
    const archive = `${temporary}.zip`;
    try {
      await fetchArchive(digest, archiveBytes, archive, stopping.signal);
      const bytes = await unpackCode(archive, temporary).catch(unusable(digest));
      const directory = join(folder, `${digest.replace(":", "-")}.${unique}`);
      await rename(temporary, directory);
      const arrived = await recordUnpacked(directory, bytes, clock.nowMs());
      unpacked.set(digest, arrived);
      return arrived;
    } finally {
      await rm(archive, { force: true });
      await rm(temporary, { recursive: true, force: true });
    }
  };

  /** On a full disk, code that nothing runs from is worth less than code that is asked for. */
  const bringOrMakeRoom = async (digest: string, archiveBytes: number): Promise<Unpacked> => {
    try {
      const arrived = await bring(digest, archiveBytes).catch(async (error: unknown) => {
        if (!isDiskFull(error) || !(await discardBeyond(0))) throw error;
        log.warn({ digest }, "the disk is full; code that is not in use was discarded");
        return bring(digest, archiveBytes);
      });
      troubles.succeeded(digest);
      return arrived;
    } catch (error) {
      const failure = unavailable(error);
      if (!stopping.signal.aborted) troubles.failed(digest, failure);
      throw failure;
    }
  };
  const find = async (digest: string, archiveBytes: number): Promise<Unpacked> => {
    const here = unpacked.get(digest);
    if (here !== undefined) return here;
    const known = fetching.get(digest);
    if (known !== undefined) return known;
    const refusal = troubles.refusal(digest);
    if (refusal !== undefined) throw refusal;
    const running = bringOrMakeRoom(digest, archiveBytes);
    fetching.set(digest, running);
    void running.catch(() => undefined).finally(() => fetching.delete(digest));
    return running;
  };

  /** Whether anything went. */
  const discardBeyond = async (keptBytesMax: number): Promise<boolean> => {
    const entries = [...unpacked].map(([digest, entry]) => ({ digest, ...entry }));
    const discards = chooseDiscards(entries, keptBytesMax);
    for (const { digest, directory } of discards) {
      unpacked.delete(digest);
      await discardUnpacked(directory);
    }
    return discards.length > 0;
  };
  const discardQuietly = (discarding: Promise<unknown>): void => {
    discarding.catch((error: unknown) => log.error({ err: error }, "old code stays on disk"));
  };

  const holdOn = (entry: Unpacked): HeldCode => {
    entry.holders += 1;
    entry.usedAtMs = clock.nowMs();
    let isHeld = true;
    return {
      directory: entry.directory,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        entry.holders -= 1;
        if (entry.isSpoilt && entry.holders === 0) discardQuietly(discardUnpacked(entry.directory));
      },
    };
  };
  /** Instances that run from it keep it; nobody starts from it again. */
  const spoil = async (digest: string, entry: Unpacked): Promise<void> => {
    if (unpacked.get(digest) === entry) unpacked.delete(digest);
    if (entry.isSpoilt) return;
    entry.isSpoilt = true;
    log.warn({ digest, directory: entry.directory }, "code was changed on disk; unpacking it anew");
    await forgetUnpacked(entry.directory);
  };

  return {
    bytesMax,
    troubles: troubles.report,
    has: (digest) => unpacked.has(digest),
    hold: async (digest, archiveBytes) => {
      for (let attempt = 1; attempt <= HOLD_ATTEMPTS_MAX; attempt += 1) {
        const entry = await find(digest, archiveBytes);
        // It may have been discarded in the moment between; what is held is not.
        if (unpacked.get(digest) !== entry) continue;
        const held = holdOn(entry);
        if ((await sealOf(entry.directory).catch(() => "")) === entry.seal) {
          discardQuietly(discardBeyond(bytesMax));
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
