import { readFile } from "node:fs/promises";

const CHECK_INTERVAL_MS = 1_000;

export interface KeptFile {
  /** Leaves the file as it is. */
  readonly close: () => Promise<void>;
}

/**
 * Writes a small file, and writes it again within about a second where somebody deleted or damaged it. `mayReplace` says of what
 * is found there whether it is nobody's.
 */
export async function keepFile(
  path: string,
  write: () => Promise<void>,
  mayReplace: (found: string) => boolean,
): Promise<KeptFile> {
  await write();
  let checking: Promise<void> | undefined;
  const check = async (): Promise<void> => {
    try {
      const found = await readFile(path, "utf8").catch(emptyWhereMissing);
      if (mayReplace(found)) await write();
    } catch {
      // A disk that is full, say: the next check tries again.
    }
    checking = undefined;
  };
  const timer = setInterval(() => {
    checking ??= check();
  }, CHECK_INTERVAL_MS);
  timer.unref();
  return {
    close: async () => {
      clearInterval(timer);
      await checking;
    },
  };
}

function emptyWhereMissing(error: NodeJS.ErrnoException): string {
  if (error.code !== "ENOENT") throw error;
  return "";
}
