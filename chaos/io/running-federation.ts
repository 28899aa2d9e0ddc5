import { join } from "node:path";
import { type FileLock, takeFileLock } from "#lib/io/file-lock.ts";
import { DrillStopped } from "./drill-stopped.ts";
import { awaitFederation, type Federation } from "./federation.ts";
import { readUpSocket } from "./state-files.ts";

const READY_LIMIT_MS = 5_000;

export interface HeldFederation {
  readonly federation: Federation;
  /** One drill at a time: held until released, or until this process ends. */
  readonly lock: FileLock;
}

/** The federation that runs on the state folder, for this drill alone. */
export async function holdFederation(
  stateDirectory: string,
  signal: AbortSignal,
): Promise<HeldFederation> {
  if ((await readUpSocket(stateDirectory)) === undefined)
    throw new DrillStopped(
      "BLOCKED",
      `no "meridian up" runs on ${stateDirectory}: start it, or leave --state out to have one started`,
    );
  const lock = takeFileLock(join(stateDirectory, "drill-lock.sqlite"));
  if (lock === undefined)
    throw new DrillStopped("BLOCKED", `another drill runs on ${stateDirectory}: wait for its end`);
  try {
    const limit = AbortSignal.timeout(READY_LIMIT_MS);
    const federation = await awaitFederation(
      stateDirectory,
      false,
      AbortSignal.any([limit, signal]),
    );
    return { federation, lock };
  } catch (cause) {
    lock.release();
    if (signal.aborted) throw cause;
    throw new DrillStopped(
      "BLOCKED",
      `not every gateway of ${stateDirectory} is ready: a drill begins on a healthy federation`,
    );
  }
}
