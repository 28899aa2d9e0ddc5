import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import { MeridianError } from "#lib/errors.ts";
import { inspectArchive } from "./inspect-archive.ts";

/** Uploads taken in at the same time; each may hold 50 MiB of disk and, while it is inspected, of memory. */
const UPLOADS_MAX = 8;
const READ_BYTES = 1024 * 1024;

/** An archive that has its digest and broke no rule, in a file that goes once it was stored. */
export interface ArrivedArchive {
  readonly path: string;
  readonly bytes: number;
  readonly files: readonly string[];
}

/** Where archives arrive before a store has them. */
export interface ArchiveIntake {
  /** Receives the body, verifies and inspects it, synced to disk, and gives it to `keep`, which may move the file away. */
  readonly takeIn: <T>(
    digest: string,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    keep: (arrived: ArrivedArchive) => Promise<T>,
  ) => Promise<T>;
  /** A path in the intake's folder that nothing else has; whoever asks removes what it puts there. */
  readonly newPath: () => string;
}

export async function openArchiveIntake(folder: string): Promise<ArchiveIntake> {
  // What a process that died left behind was never acknowledged.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const newPath = (): string => join(folder, `${randomBytes(8).toString("hex")}.zip`);
  let uploads = 0;
  return {
    newPath,
    takeIn: async (digest, body, signal, keep) => {
      if (uploads >= UPLOADS_MAX)
        throw new MeridianError(
          "MERIDIAN_OVERLOADED",
          `${UPLOADS_MAX} uploads are under way in this zone; send yours again in a moment.`,
        );
      uploads += 1;
      const path = newPath();
      try {
        const { bytes, actual } = await receiveFile(path, body, signal);
        if (actual !== digest) throw wrongDigest(bytes, actual);
        const files = await inspectArchive(await readFile(path), signal);
        return await keep({ path, bytes, files });
      } finally {
        uploads -= 1;
        await rm(path, { force: true });
      }
    },
  };
}

/** Writes the body to a new file, synced; gives its size and the digest that it has. Refuses what is too large. */
export async function receiveFile(
  path: string,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<{ readonly bytes: number; readonly actual: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of body) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      if (bytes > CODE_BYTES_MAX) throw codeTooLarge();
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, actual: `sha256:${hash.digest("hex")}` };
}

/** The digest of what an open file holds now; its position stays where it is. */
export async function digestOfFile(file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return `sha256:${hash.digest("hex")}`;
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

const wrongDigest = (bytes: number, actual: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_DIGEST_MISMATCH",
    `The ${bytes} bytes that arrived have the digest ${actual}; send the archive under that, or send it again.`,
  );

export const codeTooLarge = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_TOO_LARGE",
    `A code archive has at most ${CODE_BYTES_MAX} bytes; leave out what the function does not need to run.`,
  );

/** What a store holds under the digest is something else; the place is empty now, and filled again from another zone. */
export const codeDamaged = (digest: string, where: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_DAMAGED",
    `What ${where} holds as ${digest} is damaged and was put aside; ask another zone, or try again once it was fetched from one.`,
  );
