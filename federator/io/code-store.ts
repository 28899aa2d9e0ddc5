import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import { MeridianError } from "#lib/errors.ts";
import { type CodeStore, codeFileName } from "#lib/ports/code-store.ts";
import { inspectArchive, listArchive } from "./inspect-archive.ts";

/** Uploads taken in at the same time; each may hold 50 MiB of disk and, while it is inspected, of memory. */
const UPLOADS_MAX = 8;

/** Archives as `DIRECTORY/DIGEST.zip`; uploads under way in `DIRECTORY/incoming`, which a start empties. */
export async function openCodeStore(directory: string): Promise<CodeStore> {
  const incoming = join(directory, "incoming");
  // What a process that died left behind was never acknowledged.
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  const pathOf = (digest: string): string => join(directory, codeFileName(digest));
  let uploads = 0;

  const takeIn = async (digest: string, body: AsyncIterable<Uint8Array>, signal: AbortSignal) => {
    const temporary = join(incoming, `${randomBytes(8).toString("hex")}.zip`);
    try {
      const bytes = await receive(temporary, digest, body, signal);
      const files = await inspectArchive(await readFile(temporary), signal);
      await rename(temporary, pathOf(digest));
      await syncFolder(directory);
      return { digest, bytes, files };
    } finally {
      await rm(temporary, { force: true });
    }
  };

  return {
    put: async (digest, body, signal) => {
      if (uploads >= UPLOADS_MAX)
        throw new MeridianError(
          "MERIDIAN_OVERLOADED",
          `${UPLOADS_MAX} uploads are under way in this zone; send yours again in a moment.`,
        );
      uploads += 1;
      try {
        return await takeIn(digest, body, signal);
      } finally {
        uploads -= 1;
      }
    },
    find: async (digest) => {
      const bytes = (await stat(pathOf(digest)).catch(missing))?.size;
      if (bytes === undefined) return undefined;
      const now = new Date();
      await utimes(pathOf(digest), now, now).catch(missing);
      return { digest, bytes };
    },
    filesOf: async (digest) => {
      const bytes = await readFile(pathOf(digest)).catch(missing);
      return bytes === undefined ? [] : listArchive(bytes);
    },
    read: async (digest) => {
      const file = await open(pathOf(digest), "r").catch(missing);
      if (file === undefined) return undefined;
      const { size } = await file.stat();
      return { bytes: size, stream: file.createReadStream() };
    },
    remove: (digest) => rm(pathOf(digest), { force: true }),
    list: async () => {
      const names = (await readdir(directory)).filter((name) => CODE_FILE.test(name));
      const found = await Promise.all(
        names.map(async (name) => {
          const file = await stat(join(directory, name)).catch(missing);
          return file === undefined
            ? []
            : [{ digest: name.slice(0, -".zip".length), storedAtMs: file.mtimeMs }];
        }),
      );
      return found.flat();
    },
  };
}

/** What `codeFileName` makes. */
const CODE_FILE = /^sha256:[0-9a-f]{64}\.zip$/;

/** Writes the body to a new file, synced, and gives its size; refuses what is too large or has another digest. */
async function receive(
  path: string,
  digest: string,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      bytes += chunk.length;
      if (bytes > CODE_BYTES_MAX) throw codeTooLarge();
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const actual = `sha256:${hash.digest("hex")}`;
  if (actual !== digest)
    throw new MeridianError(
      "MERIDIAN_CODE_DIGEST_MISMATCH",
      `The ${bytes} bytes that arrived have the digest ${actual}; send the archive under that, or send it again.`,
    );
  return bytes;
}

export const codeTooLarge = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_TOO_LARGE",
    `A code archive has at most ${CODE_BYTES_MAX} bytes; leave out what the function does not need to run.`,
  );

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
