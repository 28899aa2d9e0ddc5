import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** `USER_HZ`, which Linux tells programs to be 100 whatever it is. */
const TICK_MS = 10;

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Whatever the system tells of when it started; equal for the same process only. */
  readonly startedAt: string;
}

/** The process with that number now; undefined when there is none. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === "linux" ? startInTicks(pid) : startInWords(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Milliseconds of processor time it has used, in steps of 10; undefined where the system does not tell. */
export function processorMs(pid: number): number | undefined {
  const fields = statFields(pid);
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export const isStillRunning = ({ pid, startedAt }: ProcessIdentity): boolean =>
  identifyProcess(pid)?.startedAt === startedAt;

/** Signals that very process; false when it is gone, whoever has its number now. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isStillRunning(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Field 22 of /proc/PID/stat. A zombie has ended. */
function startInTicks(pid: number): string | undefined {
  const fields = statFields(pid);
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

/** Those of /proc/PID/stat from the third on; the second may hold blanks and brackets. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function startInWords(pid: number): string | undefined {
  try {
    const text = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
    return text.trim() === "" ? undefined : text.trim();
  } catch {
    return undefined;
  }
}
