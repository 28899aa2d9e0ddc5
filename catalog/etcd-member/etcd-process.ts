import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { Type } from "typebox";
import { Value } from "typebox/value";
import {
  identifyProcess,
  isStillRunning,
  type ProcessIdentity,
  signalProcess,
} from "#lib/io/process-identity.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import type { EtcdMemberConfig } from "./config.ts";

const STOP_LIMIT_MS = 5_000;
const GONE_POLL_MS = 10;

const Identity = Type.Object({ pid: Type.Integer({ minimum: 1 }), startedAt: Type.String() });

export interface EtcdProcess {
  readonly pid: number;
  /** Aborts, with how, when it has ended. */
  readonly gone: AbortSignal;
  /** Resolves once it has ended: it hands its leadership on first, if it can. */
  readonly stop: () => Promise<void>;
}

/** An etcd that a killed process of ours left behind holds the data's lock: it goes first. */
export async function endLeftover(dataDirectory: string): Promise<void> {
  const identity = await readIdentity(identityFile(dataDirectory));
  if (identity === undefined) return;
  signalProcess(identity, "SIGKILL");
  while (isStillRunning(identity)) await systemClock.sleep(GONE_POLL_MS);
}

/** Starts etcd, its output in this process's log, and notes on disk which process it is. */
export async function startEtcdProcess(
  flags: readonly string[],
  { etcd, dataDirectory }: EtcdMemberConfig,
  log: Logger,
): Promise<EtcdProcess> {
  const gone = new AbortController();
  // Flags alone say what it does: a variable such as ETCD_NAME of somebody's shell must not.
  const child = spawn(etcd, flags, { stdio: ["ignore", "inherit", "inherit"], env: {} });
  const ended = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      gone.abort(new Error(`etcd ${how}`));
      resolve();
    };
    child.once("error", (error) => end(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) =>
      end(signal === null ? `ended with ${code}` : `was ended by ${signal}`),
    );
  });
  const pid = child.pid ?? 0;
  const identity = identifyProcess(pid);
  if (identity !== undefined)
    await writeAtomically(identityFile(dataDirectory), JSON.stringify(identity));
  log.info({ pid }, "etcd started");
  return {
    pid,
    gone: gone.signal,
    stop: async () => {
      child.kill("SIGTERM");
      // One that was frozen would not hear it.
      child.kill("SIGCONT");
      const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
      await ended;
      clearTimeout(impatience);
    },
  };
}

const identityFile = (dataDirectory: string): string => `${dataDirectory}.process.json`;

async function readIdentity(file: string): Promise<ProcessIdentity | undefined> {
  try {
    const document: unknown = JSON.parse(await readFile(file, "utf8"));
    return Value.Check(Identity, document) ? document : undefined;
  } catch {
    return undefined;
  }
}
