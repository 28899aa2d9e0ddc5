import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The process and all its descendants, parents first; those that ended meanwhile are left out. */
export function processTree(pid: number): number[] {
  const tree = [pid];
  for (const parent of tree) tree.push(...childrenOf(parent));
  return tree;
}

/** Each thread of a process has the children that it started. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1")
        .split(" ")
        .filter((text) => text !== "")
        .map(Number),
    );
  } catch {
    return [];
  }
}

/** All at once, as a machine dies or hangs; those that are gone already are passed over. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, signal);
    } catch {
      // Gone: nothing is left to be told.
    }
}

/** What to run so that the program keeps to one core; the program itself where nothing can be pinned. */
export function pinned(
  core: number | undefined,
  program: string,
  argv: readonly string[],
): [string, string[]] {
  if (core === undefined || !canPin()) return [program, [...argv]];
  return ["taskset", ["-c", String(core), program, ...argv]];
}

let pinning: boolean | undefined;
/** With one core there is nothing to choose, and not every system has `taskset`. */
export function canPin(): boolean {
  pinning ??= availableParallelism() > 1 && spawnSync("taskset", ["-V"]).status === 0;
  return pinning;
}
