import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "#lib/io/sync-folder.ts";

/**
 * Replaces the file as one step that survives a crash: temporary file, fsync, rename, fsync of the folder. A text that comes in
 * parts is written part by part.
 */
export async function writeAtomically(
  path: string,
  text: string | Uint8Array | Iterable<string>,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}
