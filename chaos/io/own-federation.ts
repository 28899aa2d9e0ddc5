import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { identifyProcess } from "#lib/io/process-identity.ts";
import { awaitFederation, type Federation } from "./federation.ts";
import type { SafetyNet } from "./safety-net.ts";

const START_LIMIT_MS = 90_000;
/** The shared address and one for each zone, with some to spare. */
const PORTS_IN_A_ROW = 8;
const PORT_TRIES = 50;
const FIRST_PORT = 20_000;
const PORTS = 10_000;

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
  const basePort = await findFreePorts();
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

/** Below the ports that the system gives to clients, so that nobody takes one between now and the start. */
async function findFreePorts(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt += 1) {
    const basePort = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await areFree(basePort)) return basePort;
    await delay(1);
  }
  throw new Error(`no ${PORTS_IN_A_ROW} free ports in a row were found`);
}

async function areFree(basePort: number): Promise<boolean> {
  const servers: Server[] = [];
  try {
    for (let offset = 0; offset < PORTS_IN_A_ROW; offset += 1) {
      const server = createServer().listen(basePort + offset, "127.0.0.1");
      servers.push(server);
      await once(server, "listening");
    }
    return true;
  } catch {
    return false;
  } finally {
    for (const server of servers) server.close();
  }
}
