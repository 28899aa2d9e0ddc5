import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import type { AgentConfig } from "../../../../agents/config.ts";
import {
  type Caller,
  callerOf,
  endpointOf,
  type Placed,
  prepareZone,
  undoLater,
} from "./agent-world.ts";

const MAIN = join(import.meta.dirname, "../../../../agents/main.ts");

export interface AgentProcess {
  readonly child: ChildProcess;
  readonly config: AgentConfig;
  readonly pids: readonly number[];
  readonly invoke: Caller["invoke"];
  readonly open: Caller["open"];
}

/** An agent in a process of its own, so that it can be killed; of another user, where this one is root. */
export async function startAgentProcess(
  t: TestContext,
  placed: readonly Placed[],
  changes: Partial<AgentConfig>,
  existing?: AgentConfig,
  user?: number,
): Promise<AgentProcess> {
  const config = existing ?? { ...(await prepareZone(t, placed)), ...changes };
  const file = join(config.runDirectory, "agent.config.json");
  await writeFile(file, JSON.stringify(config));
  if (user !== undefined)
    await promisify(execFile)("chown", [
      "-R",
      `${user}:${user}`,
      join(config.stateDirectory, ".."),
    ]);
  const child = fork(MAIN, ["--config", file], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    ...(user !== undefined && { uid: user, gid: user }),
  });
  const exited = once(child, "exit");
  undoLater(t, async () => {
    child.kill("SIGTERM");
    await exited;
  });
  let pids: readonly number[] = [];
  const ready = Promise.withResolvers<void>();
  child.on("message", (message: { kind: string; pids?: number[] }) => {
    if (message.kind === "pids") pids = message.pids ?? [];
    if (message.kind === "ready") ready.resolve();
  });
  await ready.promise;
  const { invoke, open } = callerOf(t, (await endpointOf(config)).urls.internal ?? "");
  return {
    child,
    config,
    get pids() {
      return pids;
    },
    invoke,
    open,
  };
}
