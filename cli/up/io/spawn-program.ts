import { spawn } from "node:child_process";
import { closeSync, openSync, renameSync, statSync } from "node:fs";
import { Value } from "typebox/value";
import { ProgramMessage } from "#lib/contracts/supervision.ts";
import { identifyProcess, type ProcessIdentity } from "#lib/io/process-identity.ts";

/** A log that has grown past this starts anew with its program; one older file is kept. */
const LOG_BYTES_MAX = 32 * 1024 * 1024;

export interface ProgramCommand {
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly logFile: string;
  /** All of it: nothing is inherited besides. */
  readonly environment: NodeJS.ProcessEnv;
}

export interface SpawnedProgram {
  readonly identity: ProcessIdentity;
  /** Resolves with how it ended, in words. */
  readonly ended: Promise<string>;
  readonly signal: (signal: NodeJS.Signals) => void;
}

/** Starts a Node program with an IPC channel, its output in its log, in a process group of its own: Ctrl-C is for `up` alone. */
export function spawnProgram(
  command: ProgramCommand,
  onMessage: (message: ProgramMessage) => void,
): SpawnedProgram {
  const log = openLog(command.logFile);
  const child = spawn(process.execPath, [...command.args], {
    cwd: command.workingDirectory,
    env: command.environment,
    stdio: ["ignore", log, log, "ipc"],
    detached: true,
  });
  if (log !== "ignore") closeSync(log);
  child.on("message", (message: unknown) => {
    if (Value.Check(ProgramMessage, message)) onMessage(message);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `ended with ${code}` : `was ended by ${signal}`),
    );
  });
  const pid = child.pid ?? 0;
  return {
    // A process that is gone already has no identity, and none is needed: nothing will signal it.
    identity: identifyProcess(pid) ?? { pid, startedAt: "gone" },
    ended,
    signal: (signal) => void child.kill(signal),
  };
}

/** A disk that is full, or a folder that went away, is no reason not to start: the program then has no log. */
function openLog(file: string): number | "ignore" {
  try {
    if (statSync(file).size > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
  } catch {
    // The first start has no log yet.
  }
  try {
    return openSync(file, "a", 0o600);
  } catch {
    return "ignore";
  }
}
