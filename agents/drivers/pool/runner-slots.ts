import { constants, readdirSync, statSync } from "node:fs";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** What takes longer to copy than a process takes to start is not copied. */
const FILES_MAX = 64;
const BYTES_MAX = 8 * 1_048_576;
const PLANS_MAX = 1_000;

/**
 * Folders that sandboxes of runners show as their code: empty until a runner has a function, whose files are copied in then. Copies
 * and not links, because a further link to a file is a change of it that its seal would tell.
 */
export interface RunnerSlots {
  /** Whether there is so little code that it is soon copied. Asks the disk once for each folder. */
  readonly fits: (codeDirectory: string) => boolean;
  readonly open: (runner: string) => Promise<string>;
  readonly fill: (runner: string, codeDirectory: string) => Promise<void>;
  readonly remove: (runner: string) => void;
  /** Removes those of runners that are gone with an agent before this one. */
  readonly removeOthers: (isKept: (runner: string) => boolean) => Promise<void>;
}

export function runnerSlots(folder: string): RunnerSlots {
  const plans = new Map<string, readonly string[] | undefined>();
  const slotOf = (runner: string): string => join(folder, runner);
  const planOf = (codeDirectory: string): readonly string[] | undefined => {
    if (plans.has(codeDirectory)) return plans.get(codeDirectory);
    const plan = listFew(codeDirectory);
    const [oldest] = plans.keys();
    if (plans.size >= PLANS_MAX && oldest !== undefined) plans.delete(oldest);
    plans.set(codeDirectory, plan);
    return plan;
  };
  const remove = (runner: string): Promise<void> =>
    rm(slotOf(runner), { recursive: true, force: true });
  return {
    fits: (codeDirectory) => planOf(codeDirectory) !== undefined,
    open: async (runner) => {
      await mkdir(slotOf(runner), { recursive: true, mode: 0o755 });
      return slotOf(runner);
    },
    fill: async (runner, codeDirectory) => {
      const copies = (planOf(codeDirectory) ?? []).map(async (path) => {
        const copy = join(slotOf(runner), path);
        if (dirname(path) !== ".") await mkdir(dirname(copy), { recursive: true, mode: 0o755 });
        await copyFile(join(codeDirectory, path), copy, constants.COPYFILE_FICLONE);
      });
      await Promise.all(copies);
    },
    remove: (runner) => void remove(runner).catch(() => undefined),
    removeOthers: async (isKept) => {
      const names = await readdir(folder).catch(() => []);
      await Promise.all(names.filter((name) => !isKept(name)).map(remove));
    },
  };
}

/** The paths of all files below it; undefined where they are many, or much, or cannot be read, as a start without a runner will tell. */
function listFew(folder: string): readonly string[] | undefined {
  try {
    return listReadable(folder);
  } catch {
    return undefined;
  }
}

function listReadable(folder: string): readonly string[] | undefined {
  const files: string[] = [];
  const folders = ["."];
  let bytes = 0;
  for (const inner of folders) {
    for (const entry of readdirSync(join(folder, inner), { withFileTypes: true })) {
      const path = join(inner, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else files.push(path);
      if (files.length + folders.length > FILES_MAX) return undefined;
      if (entry.isFile()) bytes += statSync(join(folder, path)).size;
    }
    if (bytes > BYTES_MAX) return undefined;
  }
  return files;
}
