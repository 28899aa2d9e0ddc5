import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import { identifyProcess } from "#lib/io/process-identity.ts";
import { awaitFederation, type Federation } from "./federation.ts";
import type { SafetyNet } from "./safety-net.ts";

const START_LIMIT_MS = 90_000;
/** The shared address and one for each zone, with some to spare. */
const PORTS_IN_A_ROW = 8;

const FEDERATION_INTENT = "federation";

export interface OwnFederationOptions {
  /** How `meridian up` is started; its options are added. */
  readonly command: readonly string[];
  readonly withoutFailover: boolean;
  readonly logFile: string;
  readonly safety: SafetyNet;
  readonly signal: AbortSignal;
}

/** Starts a federation for this drill alone, on free ports and a temporary state folder. The safety net ends it. */
export async function startOwnFederation(options: OwnFederationOptions): Promise<Federation> {
  const { safety, logFile } = options;
  const basePort = await freePorts(PORTS_IN_A_ROW);
  const stateDirectory = mkdtempSync(join(tmpdir(), "meridian-drill-"));
  const undo = { kind: "stop-federation", stateDirectory } as const;
  safety.intend(FEDERATION_INTENT, { ...undo, up: null });
  const up = spawnUp(options, stateDirectory, basePort);
  const identity = up.pid === undefined ? undefined : identifyProcess(up.pid);
  safety.intend(FEDERATION_INTENT, { ...undo, up: identity ?? null });

  const ended = new AbortController();
  up.once("error", (error) =>
    ended.abort(new Error(`"meridian up" cannot be run: ${error.message}`)),
  );
  up.once("exit", (code, signal) =>
    ended.abort(new Error(`"meridian up" ended (${signal ?? `code ${code}`}): see ${logFile}`)),
  );
  up.unref();
  const limit = AbortSignal.timeout(START_LIMIT_MS);
  const signal = AbortSignal.any([ended.signal, limit, options.signal]);
  try {
    return await awaitFederation(stateDirectory, true, signal);
  } catch (cause) {
    if (options.signal.aborted) throw cause;
    const reason: unknown = ended.signal.aborted
      ? ended.signal.reason
      : new Error(`the federation is not ready after ${START_LIMIT_MS / 1_000} s: see ${logFile}`);
    throw reason;
  }
}

/** In a session of its own: Ctrl-C is for the runner, which then puts everything right in order. */
function spawnUp(
  { command, withoutFailover, logFile }: OwnFederationOptions,
  stateDirectory: string,
  basePort: number,
): ChildProcess {
  const [program, ...words] = command;
  if (program === undefined) throw new Error("there is no command to start a federation with");
  const without = withoutFailover ? ["--without", "failover"] : [];
  const log = openSync(logFile, "a", 0o600);
  try {
    return spawn(
      program,
      [...words, "--state", stateDirectory, "--port", String(basePort), "--json", ...without],
      { detached: true, stdio: ["ignore", log, log] },
    );
  } finally {
    closeSync(log);
  }
}
