import { constants, copyFileSync, mkdirSync, statSync } from "node:fs";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { listFewFiles } from "../list-few-files.ts";

/** What takes longer to copy than a process takes to start is not copied. */
const FILES_MAX = 64;
const BYTES_MAX = 8 * 1_048_576;
/** Copied sooner than a thread could be asked to. */
const BYTES_AT_ONCE_MAX = 262_144;
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

/** The files that a slot is filled with. */
interface CopyPlan {
  readonly paths: readonly string[];
  readonly isSoonDone: boolean;
}

const NOTHING: CopyPlan = { paths: [], isSoonDone: true };

export function runnerSlots(folder: string): RunnerSlots {
  const plans = new Map<string, CopyPlan | undefined>();
  const slotOf = (runner: string): string => join(folder, runner);
  const planOf = (codeDirectory: string): CopyPlan | undefined => {
    if (plans.has(codeDirectory)) return plans.get(codeDirectory);
    const plan = planCopy(codeDirectory);
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
      const { paths, isSoonDone } = planOf(codeDirectory) ?? NOTHING;
      const slot = slotOf(runner);
      const copies = paths.map((path) => ({
        from: join(codeDirectory, path),
        to: join(slot, path),
      }));
      for (const folder of new Set(copies.map(({ to }) => dirname(to))))
        if (folder !== slot) mkdirSync(folder, { recursive: true, mode: 0o755 });
      if (isSoonDone)
        for (const { from, to } of copies) copyFileSync(from, to, constants.COPYFILE_FICLONE);
      else
        await Promise.all(
          copies.map(({ from, to }) => copyFile(from, to, constants.COPYFILE_FICLONE)),
        );
    },
    remove: (runner) => void remove(runner).catch(() => undefined),
    removeOthers: async (isKept) => {
      const names = await readdir(folder).catch(() => []);
      await Promise.all(names.filter((name) => !isKept(name)).map(remove));
    },
  };
}

/** Undefined where it is many files, or much, or cannot be read, as a start without a runner will tell. */
function planCopy(folder: string): CopyPlan | undefined {
  try {
    const paths = listFewFiles(folder, FILES_MAX);
    if (paths === undefined) return undefined;
    const bytes = paths.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
    const isSoonDone = bytes <= BYTES_AT_ONCE_MAX;
    return bytes <= BYTES_MAX ? { paths, isSoonDone } : undefined;
  } catch {
    return undefined;
  }
}
