import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Type } from "typebox";
import { Value } from "typebox/value";
import {
  identifyProcess,
  isStillRunning,
  type ProcessIdentity,
  signalProcess,
} from "#lib/io/process-identity.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { entering } from "./cluster-network.ts";
import { type ClusterPlan, namespaceFile } from "./cluster-plan.ts";
import { processesInGroups } from "./control-groups.ts";
import { systemEnvironment } from "../../../image/run-command.ts";

/** In the order in which they are started; an apiserver that loses its etcd first hangs, and keeps its port. */
const NODE_PROGRAMS = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "containerd",
  "kubelet",
  "kube-proxy",
] as const;
export type NodeProgram = (typeof NODE_PROGRAMS)[number];

const END_TIMEOUT_MS = 60_000;
const LOG_CHARACTERS = 2_000;
const Identity = Type.Object({ pid: Type.Integer(), startedAt: Type.String() });

/** Starts it inside the cluster's namespace, to outlive this command; its log is below the cluster's folder. */
export async function startProgram(
  cluster: ClusterPlan,
  name: NodeProgram,
  path: string,
  argv: readonly string[],
): Promise<void> {
  for (const folder of ["logs", "processes"])
    await mkdir(join(cluster.folder, folder), { recursive: true });
  const log = openSync(logFile(cluster, name), "a");
  // Both become the program, so the number is its own; tests beside three clusters go first.
  const child = spawn("nsenter", [...entering(cluster), "nice", "-n", "5", path, ...argv], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: cluster.folder,
    env: systemEnvironment(),
  });
  closeSync(log);
  child.on("error", () => undefined).unref();
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (identity === undefined) throw new Error(`${name} of ${cluster.name} could not be started`);
  await writeAtomically(identityFile(cluster, name), JSON.stringify(identity));
}

/** Those of its programs that run no more. */
export async function missingPrograms(cluster: ClusterPlan): Promise<readonly NodeProgram[]> {
  const missing: NodeProgram[] = [];
  for (const name of NODE_PROGRAMS) {
    const identity = await recordedProcess(cluster, name);
    if (identity === undefined || !isStillRunning(identity)) missing.push(name);
  }
  return missing;
}

/** Waits for something, as long as the program behind it runs. */
export async function untilReady(
  cluster: ClusterPlan,
  name: NodeProgram,
  isReady: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const identity = await recordedProcess(cluster, name);
  const endsAtMs = performance.now() + timeoutMs;
  while (!(await isReady().catch(() => false))) {
    const isOver = performance.now() > endsAtMs;
    if (isOver || identity === undefined || !isStillRunning(identity)) {
      const said = (await readFile(logFile(cluster, name), "utf8")).slice(-LOG_CHARACTERS);
      const what = isOver ? `was not ready after ${timeoutMs} ms` : "ended";
      throw new Error(`${name} of ${cluster.name} ${what}; it said:\n${said}`);
    }
    await delay(100);
  }
}

/** Ends everything of a cluster that runs, whether an earlier command still recorded it or not. */
export async function endProcesses(cluster: ClusterPlan): Promise<void> {
  for (const name of NODE_PROGRAMS.toReversed()) {
    const identity = await recordedProcess(cluster, name);
    if (identity !== undefined) signalProcess(identity, "SIGKILL");
  }
  const endsAtMs = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    const pids = [
      ...(await processesInNamespace(cluster)),
      ...(await processesInGroups(cluster.namespace)),
    ];
    const left = pids.flatMap((pid) => identifyProcess(pid) ?? []);
    if (left.length === 0) return;
    if (performance.now() > endsAtMs)
      throw new Error(`of ${cluster.name} still run: ${left.map(({ pid }) => pid).join(", ")}`);
    for (const identity of left) signalProcess(identity, "SIGKILL");
    await delay(50);
  }
}

const identityFile = ({ folder }: ClusterPlan, name: NodeProgram): string =>
  join(folder, "processes", `${name}.json`);

const logFile = ({ folder }: ClusterPlan, name: NodeProgram): string =>
  join(folder, "logs", `${name}.log`);

/** Undefined where it is damaged, too: what is in the namespace is found without it. */
async function recordedProcess(
  cluster: ClusterPlan,
  name: NodeProgram,
): Promise<ProcessIdentity | undefined> {
  try {
    const text = await readFile(identityFile(cluster, name), "utf8");
    return Value.Parse(Identity, JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function processesInNamespace(cluster: ClusterPlan): Promise<readonly number[]> {
  const namespace = await stat(namespaceFile(cluster)).catch(() => undefined);
  if (namespace === undefined) return [];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  for (const pid of pids) {
    const link = await readlink(`/proc/${pid}/ns/net`).catch(() => "");
    if (link === `net:[${namespace.ino}]`) found.push(pid);
  }
  return found;
}
