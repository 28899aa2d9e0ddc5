import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";
import { pinned, processTree, signalAll } from "../processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 10_000;

export interface ProgramPlan {
  readonly program: "gateway" | "agent";
  readonly zone: string;
  readonly runDirectory: string;
  readonly stateDirectory: string;
  /** What the program reads as its configuration. */
  readonly config: object;
  readonly core?: number | undefined;
  readonly nodeFlags?: readonly string[];
}

/** A program of the product in a process of its own; what it prints goes to a file, as in production. */
export interface BenchProgram {
  readonly pid: number;
  readonly endpoint: RunEndpoint;
  /** SIGTERM, and SIGKILL to whatever of it is left after a while. */
  readonly stop: () => Promise<void>;
}

const MAIN = { gateway: "gateway/main.ts", agent: "agents/main.ts" } as const;

/** Resolves when the program says that it is ready. */
export async function runProgram(plan: ProgramPlan): Promise<BenchProgram> {
  const { program, zone, runDirectory, stateDirectory, core, nodeFlags = [] } = plan;
  const configFile = join(stateDirectory, "bench.config.json");
  const logFile = join(stateDirectory, "bench.log");
  await writeFile(configFile, JSON.stringify(plan.config), { mode: 0o600 });
  const log = openSync(logFile, "a", 0o600);
  const argv = [...nodeFlags, join(ROOT, MAIN[program]), "--config", configFile];
  // Its supervisor is this process: it ends when this one does, however that comes.
  const child = spawn(...pinned(core, process.execPath, argv), {
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`the ${program} could not be started`);
  const exited = once(child, "exit");
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;

  const stop = async (): Promise<void> => {
    const tree = processTree(pid);
    signalAll(tree, "SIGCONT");
    if (isRunning()) {
      child.kill("SIGTERM");
      const impatience = setTimeout(() => signalAll(tree, "SIGKILL"), STOP_LIMIT_MS);
      await exited;
      clearTimeout(impatience);
    }
  };
  const started = async (): Promise<RunEndpoint> => {
    const deadlineMs = performance.now() + START_LIMIT_MS;
    while (performance.now() < deadlineMs && isRunning()) {
      const endpoint = (await readEndpoints(runDirectory)).find((each) => each.pid === pid);
      if (endpoint !== undefined && (await isReady(endpoint))) return endpoint;
      await delay(50);
    }
    throw new Error(
      `the ${program} of ${zone} did not get ready: ${(await readFile(logFile, "utf8")).slice(-2_000)}`,
    );
  };
  try {
    return { pid, endpoint: await started(), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const isReady = ({ urls }: RunEndpoint): Promise<boolean> =>
  fetch(`${urls.admin}/readyz`).then(
    async (answer) => {
      await answer.body?.cancel();
      return answer.ok;
    },
    () => false,
  );
