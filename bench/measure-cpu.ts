import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** CPU time the processes have used so far, user and system, in microseconds; undefined where /proc does not tell. */
export function cpuMicros(pids: readonly number[]): number | undefined {
  let ticks = 0;
  for (const pid of pids) {
    const used = cpuTicks(pid);
    if (used === undefined) return undefined;
    ticks += used;
  }
  return (ticks * 1_000_000) / ticksPerSecond();
}

/** Fields 14 and 15 of /proc/PID/stat: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function cpuTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return undefined;
  }
}

let knownTicksPerSecond: number | undefined;
function ticksPerSecond(): number {
  knownTicksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return knownTicksPerSecond;
}
