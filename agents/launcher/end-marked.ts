import { readdir, readFile, stat } from "node:fs/promises";

/** `MARK.INSTANCE`, inherited by whatever an instance starts. */
export const MARK_VARIABLE = "MERIDIAN_INSTANCE";

/** What is ended may have started more in the meantime. */
const ROUNDS_MAX = 5;
const AT_ONCE = 32;

/**
 * Kills this user's processes that carry the mark and an instance that `isOver`, also those that left their process group and
 * session. Finds nothing where there is no /proc, and no process that hid its environment.
 */
export async function endMarked(
  mark: string,
  isOver: (instance: string) => boolean,
): Promise<void> {
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
    let ended = 0;
    for (let next = 0; next < pids.length; next += AT_ONCE) {
      const some = pids.slice(next, next + AT_ONCE).map(async (pid) => {
        const instance = await instanceOf(pid, mark);
        // Asked after its environment was read: what was started since is known by now.
        if (instance !== undefined && isOver(instance) && endProcess(Number(pid))) ended += 1;
      });
      await Promise.all(some);
    }
    if (ended === 0) return;
  }
}

async function instanceOf(pid: string, mark: string): Promise<string | undefined> {
  try {
    if ((await stat(`/proc/${pid}`)).uid !== process.getuid?.()) return undefined;
    const variables = (await readFile(`/proc/${pid}/environ`, "latin1")).split("\0");
    const start = `${MARK_VARIABLE}=${mark}.`;
    return variables.find((variable) => variable.startsWith(start))?.slice(start.length);
  } catch {
    return undefined;
  }
}

function endProcess(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}
