import { processorMs } from "#lib/io/process-identity.ts";

/** CPU time the processes have used so far, user and system, in microseconds; undefined where the system does not tell. */
export function cpuMicros(pids: readonly number[]): number | undefined {
  let usedMs = 0;
  for (const pid of pids) {
    const used = processorMs(pid);
    if (used === undefined) return undefined;
    usedMs += used;
  }
  return usedMs * 1_000;
}
