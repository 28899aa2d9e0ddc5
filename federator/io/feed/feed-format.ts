import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FEED_FORMAT } from "#lib/contracts/feed.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";

/**
 * Whether the federator that ran here before wrote frames which look different: then the first table goes to one gateway first. In
 * a new zone there is nobody to surprise.
 */
export async function openFeedFormat(stateDirectory: string): Promise<boolean> {
  const path = join(stateDirectory, "feed-format");
  const before = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return null;
  });
  const now = String(FEED_FORMAT);
  if (before?.trim() === now) return false;
  await writeAtomically(path, `${now}\n`);
  return before !== null;
}
