import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { type DoorGround, isReady, openDoorGround } from "../io/gateway/door-world.ts";
import { eventually } from "../io/gateway/run-gateway.ts";

/** A gateway as it runs in production, a process of its own, and what its log says. */
export interface GatewayChild extends AsyncDisposable {
  readonly ground: DoorGround;
  readonly publicUrl: string;
  readonly process: ChildProcess;
  /** By request id, how often the gateway says that it tried to call an agent. */
  readonly attempts: ReadonlyMap<string, number>;
  /** Lines of failures that nobody foresaw. */
  readonly failures: readonly string[];
  readonly hasEnded: () => boolean;
  /** Waits until the log tells of all that was done. */
  readonly stop: () => Promise<number | null>;
}

const MAIN = join(import.meta.dirname, "../../gateway/main.ts");
/** pino's `error`. */
const ERROR_LEVEL = 50;

/** With an agent in this process, or the one at `agentUrl`. */
export async function startGatewayChild(agentUrl?: string): Promise<GatewayChild> {
  await using opened = new AsyncDisposableStack();
  const ground = opened.use(await openDoorGround());
  const { federation } = ground;
  if (agentUrl !== undefined) await federation.publish("agent", "eu-west", agentUrl);
  const config = federation.configOf({ logLevel: "info", accessLogShare: 1 });
  const file = join(federation.directory, "gateway.json");
  await writeFile(file, JSON.stringify(config));

  const child = spawn(process.execPath, [MAIN, "--config", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  opened.defer(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const attempts = new Map<string, number>();
  const failures: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { level, msg, requestId, attempts: tried } = parsed(line);
    if (level >= ERROR_LEVEL) failures.push(line);
    if (msg === "request" && tried > 0)
      attempts.set(requestId, (attempts.get(requestId) ?? 0) + tried);
  });
  createInterface({ input: child.stderr }).on("line", (line) => failures.push(line));

  const publicUrl = await urlOf(config.runDirectory, child);
  await isReady(publicUrl);
  const closing = opened.move();
  return {
    ground,
    publicUrl,
    process: child,
    attempts,
    failures,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
      return child.exitCode;
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

async function urlOf(runDirectory: string, child: ChildProcess): Promise<string> {
  const discovery = runDirectoryDiscovery(runDirectory);
  let url: string | undefined;
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error("the gateway did not start");
    const programs = await discovery.list();
    url = programs.find(({ program }) => program === "gateway")?.urls["public"];
    return url !== undefined;
  });
  return url ?? "";
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly requestId: string;
  readonly attempts: number;
}

function parsed(line: string): LogLine {
  const read = JSON.parse(line) as Partial<LogLine>;
  return { level: 0, msg: "", requestId: "", attempts: 0, ...read };
}
