import { readdirSync, readFileSync } from "node:fs";

const NANOSECONDS_PER_MS = 1_000_000;
const KIBIBYTES_PER_MEBIBYTE = 1_024;

/**
 * Milliseconds on a processor of all living threads: the first figure of /proc/PID/task/TID/schedstat, which is exact where
 * /proc/PID/stat counts ticks of 10 ms. What has ended meanwhile counts nothing.
 */
export function cpuMs(pid: number): number {
  let nanoseconds = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      nanoseconds += Number(
        readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0],
      );
  } catch {
    // Over, or a thread of it is: what was read counts.
  }
  return nanoseconds / NANOSECONDS_PER_MS;
}

/** Memory that would come back with its end: its own, and its part of what it shares. */
export function pssMebibytes(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / KIBIBYTES_PER_MEBIBYTE;
  } catch {
    return 0;
  }
}
