import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { sealOf } from "./seal-code.ts";

/** A folder of the code cache. */
export interface Unpacked {
  readonly directory: string;
  readonly bytes: number;
  readonly seal: string;
  /** Somebody changed it: it goes with its last holder. */
  isSpoilt: boolean;
  holders: number;
  usedAtMs: number;
}

type CodeRecord = Pick<Unpacked, "bytes" | "seal">;

const recordPath = (directory: string): string => `${directory}.json`;

/** A folder that is whole and in place: from now on it counts. */
export async function recordUnpacked(
  directory: string,
  bytes: number,
  usedAtMs: number,
): Promise<Unpacked> {
  const record = { bytes, seal: await sealOf(directory) };
  await writeAtomically(recordPath(directory), JSON.stringify(record));
  return unpackedAt(directory, record, usedAtMs);
}

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

/** The record first: without it a folder counts as never finished. */
export async function discardUnpacked(directory: string): Promise<void> {
  await forgetUnpacked(directory);
  await rm(directory, { recursive: true, force: true });
}

/** Who runs from it keeps it; after a restart it is gone. */
export const forgetUnpacked = (directory: string): Promise<void> =>
  rm(recordPath(directory), { force: true });

/** By digest, what an agent before this one unpacked; what it did not finish goes. */
export async function readUnpacked(folder: string): Promise<Map<string, Unpacked>> {
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
      await discardUnpacked(directory);
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
