import { randomBytes } from "node:crypto";
import { open, readFile, rm } from "node:fs/promises";
import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CodePlace, CodeStore } from "#lib/ports/code-store.ts";
import { codeDamaged, openArchiveIntake, receiveFile } from "./archive-intake.ts";
import { listArchive } from "./inspect-archive.ts";
import { oneByOne } from "./one-by-one.ts";
import type { Bucket } from "./s3-bucket.ts";

/** Archives fetched from the bucket at the same time; each takes up to 50 MiB of disk for a moment. */
const READS_MAX = 16;
/** A copy that this process made so recently is as good as a new one for who asks; far less than an unused one is kept. */
const COPY_FRESH_MS = 5 * 60_000;

export interface S3CodeStoreOptions {
  readonly bucket: Bucket;
  readonly place: CodePlace;
  readonly prefix: string;
  /** Where archives are verified on their way; a start empties it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Copy {
  readonly key: string;
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Archives as objects `PREFIX HEX/COPY.zip`. Federators of several zones may share a bucket, which has no way to delete an object
 * only if nobody has asked for it since. So whoever asks makes a copy under a name of its own, inside the bucket, and whoever
 * collects deletes the very copies that it saw lie unused: the newest one of code in use is never among them.
 */
export async function openS3CodeStore(options: S3CodeStoreOptions): Promise<CodeStore> {
  const { bucket, place, prefix, directory, clock, log } = options;
  const intake = await openArchiveIntake(directory);
  const copies = copiesKnown(clock);
  const exclusively = oneByOne();
  let reads = 0;

  /** The newest first. What was found damaged is not there. */
  const copiesIn = async (under: string): Promise<readonly Copy[]> =>
    (await bucket.list(under))
      .flatMap(({ key, bytes }) => {
        const hex = COPY_NAME.exec(key.slice(prefix.length))?.[1];
        return hex === undefined ? [] : [{ key, digest: `sha256:${hex}`, bytes }];
      })
      .toSorted((one, other) => (one.key < other.key ? 1 : -1));
  const soundCopies = async (digest: string): Promise<readonly Copy[]> =>
    (await copiesIn(`${prefix}${hexOf(digest)}/`)).filter(({ key }) => !copies.isDamaged(key));
  const newKey = (digest: string): string =>
    `${prefix}${hexOf(digest)}/${String(clock.wallMs()).padStart(15, "0")}-${randomBytes(6).toString("hex")}.zip`;

  const claim = async (digest: string) => {
    for (const { key, bytes } of await soundCopies(digest)) {
      if (copies.isFresh(key)) return { digest, bytes, claim: copies.claim(key) };
      const own = newKey(digest);
      if (await bucket.copy(key, own)) return { digest, bytes, claim: copies.made(own) };
    }
    return undefined;
  };

  /** The archive in a file of its own, verified; the first copy that is what it should be. */
  const bring = async (digest: string): Promise<{ path: string; bytes: number } | undefined> => {
    let wasDamaged = false;
    for (const { key } of await soundCopies(digest)) {
      const body = await bucket.get(key);
      if (body === undefined) continue;
      const path = intake.newPath();
      try {
        const { bytes, actual } = await receiveFile(path, body);
        if (actual === digest) return { path, bytes };
      } catch (cause) {
        await rm(path, { force: true });
        throw brokenOff(digest, cause);
      } finally {
        body.destroy();
      }
      await rm(path, { force: true });
      wasDamaged = true;
      copies.setDamaged(key);
      log.error({ digest, key }, "stored code is damaged; another copy of it is looked for");
    }
    if (wasDamaged) throw codeDamaged(digest, place.id);
    return undefined;
  };
  const bringOneOfFew: typeof bring = async (digest) => {
    if (reads >= READS_MAX)
      throw new MeridianError(
        "MERIDIAN_OVERLOADED",
        `${READS_MAX} archives are being fetched from the bucket; try again in a moment.`,
      );
    reads += 1;
    return await bring(digest).finally(() => (reads -= 1));
  };

  return {
    place,
    put: (digest, body, signal) =>
      intake.takeIn(digest, body, signal, async ({ path, bytes, files }) => {
        const key = newKey(digest);
        await bucket.put(key, { path, bytes, sha256: Buffer.from(hexOf(digest), "hex") }, signal);
        return { digest, bytes, files, claim: copies.made(key) };
      }),
    find: (digest) => exclusively(digest, () => claim(digest)),
    filesOf: async (digest) => {
      const brought = await bringOneOfFew(digest);
      if (brought === undefined) return [];
      try {
        return await listArchive(await readFile(brought.path));
      } finally {
        await rm(brought.path, { force: true });
      }
    },
    read: async (digest) => {
      const brought = await bringOneOfFew(digest);
      if (brought === undefined) return undefined;
      try {
        const file = await open(brought.path, "r");
        return { bytes: brought.bytes, stream: file.createReadStream() };
      } finally {
        // The open file goes with its stream.
        await rm(brought.path, { force: true });
      }
    },
    check: async (digest) => (await soundCopies(digest)).length > 0,
    remove: (digest, given) =>
      exclusively(digest, async () => {
        const key = copies.keyOf(given);
        if (key === undefined) return false;
        await bucket.remove(key);
        copies.forget(key);
        return true;
      }),
    list: async () => {
      const found = await copiesIn(prefix);
      copies.keepOnly(new Set(found.map(({ key }) => key)));
      const seen = new Set<string>();
      return found.map(({ key, digest }) => {
        const isSpare = copies.isDamaged(key) || seen.has(digest);
        if (!isSpare) seen.add(digest);
        return { digest, ...copies.describe(key), isSpare };
      });
    },
    close: async () => bucket.close(),
  };
}

const COPY_NAME = /^([0-9a-f]{64})\/[0-9]{15}-[0-9a-f]{12}\.zip$/;
const hexOf = (digest: string): string => digest.slice("sha256:".length);

function brokenOff(digest: string, cause: unknown): MeridianError {
  if (cause instanceof MeridianError && cause.code === "MERIDIAN_OVERLOADED") return cause;
  return new MeridianError(
    "MERIDIAN_CODE_UNAVAILABLE",
    `The bucket broke off while it gave ${digest}; try again.`,
    { cause },
  );
}

interface KnownCopy {
  readonly firstSeenAtMs: number;
  readonly isMadeHere: boolean;
  claims: number;
  isDamaged: boolean;
}

/** What this process knows of the bucket's copies: since when, and how often it told somebody that one is there. */
function copiesKnown(clock: Clock) {
  const known = new Map<string, KnownCopy>();
  const of = (key: string, isMadeHere: boolean): KnownCopy => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const first = { firstSeenAtMs: clock.nowMs(), isMadeHere, claims: 0, isDamaged: false };
    known.set(key, first);
    return first;
  };
  const claimOf = (key: string): string => `${of(key, false).claims} ${key}`;
  const claim = (key: string): string => {
    of(key, false).claims += 1;
    return claimOf(key);
  };
  return {
    claim,
    made: (key: string): string => {
      of(key, true);
      return claim(key);
    },
    isFresh: (key: string): boolean => {
      const copy = known.get(key);
      return copy?.isMadeHere === true && clock.nowMs() - copy.firstSeenAtMs < COPY_FRESH_MS;
    },
    isDamaged: (key: string): boolean => known.get(key)?.isDamaged === true,
    setDamaged: (key: string): void => {
      of(key, false).isDamaged = true;
    },
    describe: (key: string): { readonly claim: string; readonly idleMs: number } => ({
      claim: claimOf(key),
      idleMs: clock.nowMs() - of(key, false).firstSeenAtMs,
    }),
    /** The copy of a claim that nobody has renewed. */
    keyOf: (given: string): string | undefined => {
      const key = given.slice(given.indexOf(" ") + 1);
      return claimOf(key) === given ? key : undefined;
    },
    forget: (key: string): void => {
      known.delete(key);
    },
    /** Those that others removed are forgotten; one that was made while the list was read is fresh and stays. */
    keepOnly: (keys: ReadonlySet<string>): void => {
      for (const [key, { firstSeenAtMs }] of known)
        if (!keys.has(key) && clock.nowMs() - firstSeenAtMs > COPY_FRESH_MS) known.delete(key);
    },
  };
}
