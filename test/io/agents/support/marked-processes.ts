import { readdir, readFile } from "node:fs/promises";
import { MARK_VARIABLE } from "../../../../agents/launcher/end-marked.ts";

/** Processes whose mark holds the words: those of one launcher, or of one instance. */
export async function processesMarked(words: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const marked = await Promise.all(
    pids.map(async (pid) => {
      const variables = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      const own = variables.split("\0").find((one) => one.startsWith(`${MARK_VARIABLE}=`));
      return own?.includes(words) === true ? [pid] : [];
    }),
  );
  return marked.flat();
}
