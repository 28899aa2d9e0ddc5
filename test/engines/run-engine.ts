import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const PAUSE_MS = 50;

export interface RunningEngine {
  /** Removed when it stops. */
  readonly folder: string;
  readonly signal: (name: NodeJS.Signals) => void;
  /** Starts it again with the same folder and arguments, after it was killed. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

interface EngineStart {
  readonly program: string;
  readonly argv: (folder: string) => readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether it answers as it should; a rejection means not yet. */
  readonly isReady: (signal: AbortSignal) => Promise<boolean>;
}

/** Runs an engine in a temporary folder until it is stopped; whoever starts it stops it. */
export async function runEngine(start: EngineStart): Promise<RunningEngine> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-engine-"));
  let child = await spawnUntilReady(start, folder);
  return {
    folder,
    signal: (name) => void child.kill(name),
    restart: async () => {
      await endChild(child);
      child = await spawnUntilReady(start, folder);
    },
    stop: async () => {
      await endChild(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function spawnUntilReady(start: EngineStart, folder: string): Promise<ChildProcess> {
  const { program, argv, environment, isReady } = start;
  const child = spawn(program, argv(folder), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let said = "";
  for (const output of [child.stdout, child.stderr])
    output.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-8_192)));
  const gone = new AbortController();
  child.once("exit", (code) => gone.abort(new Error(`it ended with ${code}`)));
  child.once("error", (error) => gone.abort(error));
  const signal = AbortSignal.any([AbortSignal.timeout(START_TIMEOUT_MS), gone.signal]);
  try {
    while (!(await isReady(signal).catch(() => false)))
      await delay(PAUSE_MS, undefined, { signal });
    return child;
  } catch (cause) {
    await endChild(child);
    throw new Error(`${program} did not start: ${said}`, { cause });
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  // One that a test has frozen does not hear the signal before it goes on.
  child.kill("SIGTERM");
  child.kill("SIGCONT");
  const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(impatience);
}
