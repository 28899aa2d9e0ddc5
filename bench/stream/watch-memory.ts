import { readFileSync } from "node:fs";

const LOOK_INTERVAL_MS = 50;
const KIBIBYTES_PER_MEBIBYTE = 1024;

export interface MemoryWatch {
  /** What a process held at most beyond what it held when the watch began, in MiB. */
  readonly stop: () => readonly number[];
}

/** Watches the resident memory of processes: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html */
export function watchMemory(pids: readonly number[]): MemoryWatch {
  const before = pids.map(residentMebibytes);
  const most = [...before];
  const look = (): void =>
    pids.forEach((pid, index) => {
      most[index] = Math.max(most[index] ?? 0, residentMebibytes(pid));
    });
  const timer = setInterval(look, LOOK_INTERVAL_MS);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return most.map((mebibytes, index) => mebibytes - (before[index] ?? 0));
    },
  };
}

function residentMebibytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) / KIBIBYTES_PER_MEBIBYTE;
}
