import { readFileSync } from "node:fs";

const PAGE_BYTES = 4_096;
/** A larger tree is not added up to its end; by then it has more than it may. */
const PROCESSES_MAX = 64;

/**
 * Resident memory of a process and those below it that is not shared with others, such as the program's own text; 0 where the
 * system does not tell. What a sandbox runs is a child of the process that was started.
 */
export function ownMemoryBytes(pid: number): number {
  const pids = [pid];
  let bytes = 0;
  for (let next = 0; next < pids.length && next < PROCESSES_MAX; next += 1) {
    const each = pids[next] ?? pid;
    const [, resident, shared] = readIfThere(`/proc/${each}/statm`).split(" ");
    bytes += (Number(resident ?? 0) - Number(shared ?? 0)) * PAGE_BYTES;
    const children = readIfThere(`/proc/${each}/task/${each}/children`).split(" ");
    pids.push(...children.filter((child) => child !== "").map(Number));
  }
  return bytes;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
