import { createHash } from "node:crypto";
import { lstat, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The kernel takes 107 bytes for the whole path of a unix socket; the file's own name needs some. */
const PATH_BYTES_MAX = 80;

/**
 * A folder for unix sockets that is short enough and nobody else's: below the run directory, else in the system's temporary
 * folder. Sockets that an agent before this one left for its instances are removed.
 */
export async function openSocketDirectory(runDirectory: string, zone: string): Promise<string> {
  const directory = await shortDirectory(join(runDirectory, `${zone}.agent`));
  for (const name of await readdir(directory))
    if (name.startsWith("i-")) await rm(join(directory, name), { force: true });
  return directory;
}

async function shortDirectory(wanted: string): Promise<string> {
  if (Buffer.byteLength(wanted) <= PATH_BYTES_MAX) {
    await mkdir(wanted, { recursive: true, mode: 0o700 });
    return wanted;
  }
  // The same name at each start, so that nothing piles up.
  const name = createHash("sha256").update(wanted).digest("hex").slice(0, 12);
  const temporary = join(tmpdir(), `meridian-${name}`);
  await mkdir(temporary, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const { uid, mode } = await lstat(temporary);
  const isOurs = uid === process.getuid?.() && (mode & 0o170_777) === 0o040_700;
  return isOurs ? temporary : mkdtemp(join(tmpdir(), "meridian-"));
}
