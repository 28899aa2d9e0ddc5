import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

export interface RunningEtcd {
  readonly endpoint: string;
  readonly pid: number;
  /** Removed when it stops. */
  readonly folder: string;
  readonly stop: () => Promise<void>;
}

/** One etcd member on free loopback ports, its records in a temporary folder; without fsync, as tests survive no power cut. */
export async function startEtcd(program: string): Promise<RunningEtcd> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-etcd-"));
  const [clientUrl, peerUrl] = await Promise.all([freeLoopbackUrl(), freeLoopbackUrl()]);
  const child = spawn(
    program,
    [
      ["--name", "one"],
      ["--data-dir", join(folder, "member")],
      ["--listen-client-urls", clientUrl],
      ["--advertise-client-urls", clientUrl],
      ["--listen-peer-urls", peerUrl],
      ["--initial-advertise-peer-urls", peerUrl],
      ["--initial-cluster", `one=${peerUrl}`],
      ["--log-level", "warn"],
      ["--unsafe-no-fsync"],
    ].flat(),
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (said = (said + text).slice(-8_192)));

  const stop = async (): Promise<void> => {
    await endChild(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await answers(`${clientUrl}/health`, child);
  } catch (cause) {
    await stop();
    throw new Error(`etcd did not start: ${said}`, { cause });
  }
  return { endpoint: clientUrl, pid: child.pid ?? 0, folder, stop };
}

async function freeLoopbackUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
  const gone = new AbortController();
  child.once("exit", (code) => gone.abort(new Error(`it ended with ${code}`)));
  child.once("error", (error) => gone.abort(error));
  const signal = AbortSignal.any([deadline, gone.signal]);
  while (!(await isHealthy(url, signal))) await delay(50, undefined, { signal });
}

async function isHealthy(url: string, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  try {
    return (await fetch(url, { signal })).ok;
  } catch {
    return false;
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(impatience);
}
