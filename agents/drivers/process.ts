import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { FromLauncher } from "../launcher/messages.ts";
import type { InstanceDriver, InstanceSpec } from "./driver.ts";
import { instanceCommand } from "./instance-command.ts";
import { listenForInstances } from "./instance-links.ts";
import { launcherClient } from "./launcher-client.ts";
import { hostProbe } from "./probe-host.ts";
import { type ProcessInstance, processInstance } from "./process-instance.ts";

const LAUNCHER_WAIT_MS = 2_000;

export interface ProcessDriverOptions {
  readonly stateDirectory: string;
  /** Short, and nobody else's: unix sockets have paths of at most about 100 bytes. */
  readonly socketDirectory: string;
  /** How long the launcher and its instances outlive this process. */
  readonly launcherGraceMs: number;
  readonly log: Logger;
  /** Called with the launcher and every instance whenever one comes or goes. */
  readonly onPids: (pids: readonly number[]) => void;
}

/** Instances as processes of this machine, started by a launcher of their own. */
export async function createProcessDriver(options: ProcessDriverOptions): Promise<InstanceDriver> {
  await mkdir(options.stateDirectory, { recursive: true, mode: 0o700 });
  const probeHost = hostProbe();
  const instances = new Map<string, ProcessInstance>();
  const bootPrefix = randomBytes(3).toString("hex");
  let started = 0;
  let launcherPid: number | undefined;

  const tellPids = (): void => {
    const pids = [...instances.values()].flatMap((instance) => instance.pid() ?? []);
    options.onPids(launcherPid === undefined ? pids : [launcherPid, ...pids]);
  };
  const onMessage = (message: FromLauncher): void => {
    if (message.kind === "hello" || message.kind === "pong") return;
    instances.get(message.instance)?.onReport(message);
    if (message.kind === "started") tellPids();
  };
  const launcher = launcherClient({
    stateDirectory: options.stateDirectory,
    socketDirectory: options.socketDirectory,
    graceMs: options.launcherGraceMs,
    log: options.log,
    onConnected: (pid) => {
      launcherPid = pid;
      tellPids();
    },
    onMessage,
    onLost: () => {
      launcherPid = undefined;
      for (const instance of instances.values()) {
        killGroup(instance.pid());
        instance.onLost();
      }
    },
  });

  const socketPath = join(options.socketDirectory, `i-${bootPrefix}.sock`);
  const links = await listenForInstances(socketPath, (token, socket) =>
    [...instances.values()].find((instance) => instance.token === token)?.onLink(socket),
  );

  const launch = async (instance: ProcessInstance, spec: InstanceSpec): Promise<void> => {
    const how = instanceCommand(spec, await probeHost(spec.runtime));
    if (how.kind === "impossible") return instance.onInitError(how.reason);
    if (!(await launcher.whenConnected(LAUNCHER_WAIT_MS)))
      return instance.onNotStarted("the launcher is not there");
    if (instance.isKilled()) return instance.onLost();
    const { id, token } = instance;
    const { codeDirectory, handler, concurrency } = spec;
    const settings = { instance: id, token, socketPath, codeDirectory, handler, concurrency };
    launcher.send({
      kind: "start",
      instance: id,
      command: how.command,
      environment: how.environment,
      directory: codeDirectory,
      greeting: JSON.stringify(settings),
      memoryBytesMax: how.memoryBytesMax,
    });
  };

  return {
    start: (spec, onLog) => {
      started += 1;
      const id = `${bootPrefix}-${started}`;
      const instance = processInstance({
        id,
        token: randomBytes(16).toString("hex"),
        spec,
        onLog,
        kill: () => launcher.send({ kind: "kill", instance: id }),
        onGone: () => {
          instances.delete(id);
          tellPids();
        },
      });
      instances.set(id, instance);
      void launch(instance, spec);
      return instance;
    },
    list: () => [...instances.values()],
    close: async () => {
      await launcher.close();
      await links.close();
    },
  };
}

/** With the launcher gone, its instances are ended from here; the kernel and their own runners do the same. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
