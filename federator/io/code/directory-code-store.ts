import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncFolder } from "#lib/io/sync-folder.ts";
import type { Logger } from "pino";
import type { Clock } from "#lib/ports/clock.ts";
import { type CodeStore, codeFileName } from "#lib/ports/code-store.ts";
import { codeDamaged, digestOfFile, openArchiveIntake } from "./archive-intake.ts";
import { listArchive } from "./inspect-archive.ts";
import { oneByOne } from "./one-by-one.ts";

/** Damaged archives that are kept to be looked at; more are removed. */
const ROTTEN_MAX = 8;
/** What `codeFileName` makes. */
const CODE_FILE = /^(sha256:[0-9a-f]{64})\.zip$/;

export interface DirectoryCodeStoreOptions {
  readonly directory: string;
  readonly zone: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Archives as `DIRECTORY/DIGEST.zip`, where the zone's agent may read them too; uploads under way in `incoming`, which a start
 * empties, and what was found damaged in `rotten`. One process at a time owns the directory.
 */
export async function openDirectoryCodeStore({
  directory,
  zone,
  clock,
  log,
}: DirectoryCodeStoreOptions): Promise<CodeStore> {
  const intake = await openArchiveIntake(join(directory, "incoming"));
  const rotten = join(directory, "rotten");
  await mkdir(rotten, { recursive: true, mode: 0o700 });
  // A process that died between a rename and its sync left an archive in sight that a power cut would take away again.
  await syncFolder(directory);
  await syncFolder(dirname(directory));

  const pathOf = (digest: string): string => join(directory, codeFileName(digest));
  const claims = claimsOf(clock);
  // A claim, a removal and an archive that becomes durable come one after the other.
  const exclusively = oneByOne();

  const openVerified = (digest: string): Promise<FileHandle | "damaged" | undefined> =>
    openArchive(pathOf(digest), digest, log);

  /** For whoever holds the digest exclusively: anybody else may be looking at a file that was replaced meanwhile. */
  const sizeOrPutAside = async (digest: string): Promise<number | undefined> => {
    const file = await openVerified(digest);
    if (file === undefined) return undefined;
    if (file !== "damaged") return await sizeAndClose(file);
    log.error({ digest }, "stored code is damaged; it is put aside and fetched again");
    if ((await readdir(rotten)).length < ROTTEN_MAX)
      await rename(pathOf(digest), join(rotten, codeFileName(digest)));
    else await rm(pathOf(digest), { force: true });
    return undefined;
  };
  const check = async (digest: string): Promise<boolean> =>
    (await exclusively(digest, () => sizeOrPutAside(digest))) !== undefined;

  return {
    place: { id: `directory of ${zone}`, zonesHeld: [zone] },
    put: (digest, body, signal) =>
      intake.takeIn(digest, body, signal, ({ path, bytes, files }) =>
        exclusively(digest, async () => {
          await rename(path, pathOf(digest));
          await syncFolder(directory);
          return { digest, bytes, files, claim: claims.renew(digest) };
        }),
      ),
    find: (digest) =>
      exclusively(digest, async () => {
        const bytes = await sizeOrPutAside(digest);
        return bytes === undefined ? undefined : { digest, bytes, claim: claims.renew(digest) };
      }),
    filesOf: async (digest) => {
      const file = await openVerified(digest);
      if (file === undefined || file === "damaged") return [];
      try {
        return await listArchive(await readFile(file));
      } finally {
        await file.close();
      }
    },
    read: async (digest) => {
      const file = await openVerified(digest);
      if (file === undefined) return undefined;
      if (file === "damaged") {
        await check(digest);
        throw codeDamaged(digest, "this zone's store");
      }
      const { size } = await file.stat();
      return { bytes: size, stream: file.createReadStream({ start: 0 }) };
    },
    check,
    remove: (digest, claim) =>
      exclusively(digest, async () => {
        if (claims.of(digest).claim !== claim) return false;
        await rm(pathOf(digest), { force: true });
        claims.forget(digest);
        return true;
      }),
    list: async () =>
      (await readdir(directory)).flatMap((name) => {
        const digest = CODE_FILE.exec(name)?.[1];
        return digest === undefined ? [] : [{ digest, ...claims.of(digest), isSpare: false }];
      }),
    close: async () => {},
  };
}

async function openArchive(
  path: string,
  digest: string,
  log: Logger,
): Promise<FileHandle | "damaged" | undefined> {
  const file = await open(path, "r").catch(missing);
  if (file === undefined) return undefined;
  try {
    if ((await digestOfFile(file)) === digest) return file;
  } catch (error) {
    // A disk that cannot give the bytes back has lost them; any other failure says nothing about them.
    if (!(error instanceof Error && "code" in error && error.code === "EIO")) {
      await file.close();
      throw error;
    }
    log.error({ digest, err: error }, "stored code cannot be read");
  }
  await file.close();
  return "damaged";
}

async function sizeAndClose(file: FileHandle): Promise<number> {
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** Who asked last for which archive, in memory: after a start, everything counts as asked for. */
function claimsOf(clock: Clock) {
  const openedAtMs = clock.nowMs();
  const claimed = new Map<string, { readonly claim: string; readonly atMs: number }>();
  let made = 0;
  return {
    renew: (digest: string): string => {
      made += 1;
      const claim = String(made);
      claimed.set(digest, { claim, atMs: clock.nowMs() });
      return claim;
    },
    of: (digest: string): { readonly claim: string; readonly idleMs: number } => {
      const { claim, atMs } = claimed.get(digest) ?? { claim: "0", atMs: openedAtMs };
      return { claim, idleMs: clock.nowMs() - atMs };
    },
    forget: (digest: string): void => {
      claimed.delete(digest);
    },
  };
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
