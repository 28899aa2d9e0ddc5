import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const AT_ONCE = 64;

/**
 * A word for the state of every file in the folder: another word later means that somebody changed, added or removed one. It
 * looks at no content, so that the few files of a bundled function cost well under a millisecond.
 */
export async function sealOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const seal = createHash("sha256");
  for (let next = 0; next < paths.length; next += AT_ONCE)
    for (const line of await Promise.all(paths.slice(next, next + AT_ONCE).map(stateOf)))
      seal.update(`${line.slice(folder.length)}\n`);
  return seal.digest("hex");
}

async function stateOf(path: string): Promise<string> {
  const { mode, size, mtimeNs, ctimeNs, ino } = await lstat(path, { bigint: true });
  return JSON.stringify([path, ...[mode, size, mtimeNs, ctimeNs, ino].map(String)]);
}
