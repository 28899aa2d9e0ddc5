import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Value } from "typebox/value";
import { UsageError } from "../failures.ts";
import { findTakenPort, holderOfPort } from "./io/listening-ports.ts";
import { type FileLock, takeFileLock } from "#lib/io/file-lock.ts";
import { UpRecord } from "#lib/contracts/supervision.ts";

/** The state folder and the ports for this process, or a refusal that says who has them; a refusal changes nothing. */
export async function claimState(
  stateDirectory: string,
  ports: readonly number[],
): Promise<FileLock> {
  const file = join(stateDirectory, "lock.sqlite");
  // A folder that is there is asked first: whoever has it has the ports too, and is the better answer.
  const lock = existsSync(file) ? lockOrRefuse(file, stateDirectory) : undefined;
  const taken = await findTakenPort(ports);
  if (taken !== undefined) {
    lock?.release();
    const holder = holderOfPort(taken);
    throw new UsageError(
      `port ${taken} is in use${holder === undefined ? "" : ` by ${holder}`}: end that, or choose other ports with --port (${ports.length} in a row are needed)`,
    );
  }
  if (lock !== undefined) return lock;
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 }).catch((error: Error) => {
    throw new UsageError(`the state folder ${stateDirectory} cannot be made: ${error.message}`);
  });
  return lockOrRefuse(file, stateDirectory);
}

function lockOrRefuse(file: string, stateDirectory: string): FileLock {
  const lock = takeFileLock(file);
  if (lock !== undefined) return lock;
  const holder = readHolder(stateDirectory);
  const who = holder === undefined ? "" : ` (process ${holder.pid}, serving ${holder.endpoint})`;
  throw new UsageError(
    `${stateDirectory} is already in use by another "meridian up"${who}: stop that one, or name another folder with --state`,
  );
}

function readHolder(stateDirectory: string): UpRecord | undefined {
  try {
    const text = readFileSync(join(stateDirectory, "run", "up.json"), "utf8");
    return Value.Parse(UpRecord, JSON.parse(text));
  } catch {
    return undefined;
  }
}
