import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const SAID_MAX = 8_192;

export interface EtcdMemberOptions {
  readonly program: string;
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly dataFolder: string;
  /** `name=peerUrl,…` of all members. */
  readonly initialCluster: string;
  /** Further flags of etcd. */
  readonly flags?: readonly string[];
}

/** One etcd process, which may be started again on the same ports and folder. */
export interface EtcdMember {
  readonly clientUrl: string;
  readonly pid: () => number;
  readonly start: (state?: "new" | "existing") => Promise<void>;
  /** Resolves once it answers as part of a cluster with a leader. */
  readonly ready: () => Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Kills and waits for the end. */
  readonly kill: () => Promise<void>;
  /** Ends it gently. */
  readonly stop: () => Promise<void>;
  readonly wipe: () => Promise<void>;
}

/** Without fsync, as tests survive no power cut. */
export function etcdMember(options: EtcdMemberOptions): EtcdMember {
  const { program, name, clientUrl, peerUrl, dataFolder, initialCluster, flags = [] } = options;
  let child: ChildProcess | undefined;
  let said = "";

  const start = async (state: "new" | "existing" = "new"): Promise<void> => {
    said = "";
    const argv = [
      ["--name", name],
      ["--data-dir", dataFolder],
      ["--listen-client-urls", clientUrl],
      ["--advertise-client-urls", clientUrl],
      ["--listen-peer-urls", peerUrl],
      ["--initial-advertise-peer-urls", peerUrl],
      ["--initial-cluster", initialCluster],
      ["--initial-cluster-state", state],
      ["--log-level", "warn"],
      ["--unsafe-no-fsync"],
      flags,
    ].flat();
    child = spawn(program, argv, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr
      ?.setEncoding("utf8")
      .on("data", (text: string) => (said = (said + text).slice(-SAID_MAX)));
    await once(child, "spawn");
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // A stopped process hears nothing else before it goes on.
    child.kill("SIGCONT");
    child.kill(signal);
    const impatience = setTimeout(() => child?.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(impatience);
  };
  return {
    clientUrl,
    pid: () => child?.pid ?? 0,
    start,
    ready: async () => {
      const endsAtMs = performance.now() + START_TIMEOUT_MS;
      while (!(await isHealthy(clientUrl))) {
        if (performance.now() > endsAtMs || (child !== undefined && child.exitCode !== null))
          throw new Error(`etcd ${name} did not start: ${said}`);
        await delay(50);
      }
    },
    signal: (signal) => void child?.kill(signal),
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    wipe: () => rm(dataFolder, { recursive: true, force: true }),
  };
}

async function isHealthy(clientUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${clientUrl}/health`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

export async function freeLoopbackUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}
