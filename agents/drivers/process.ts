import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { FromLauncher } from "../launcher/messages.ts";
import { bootstrapObstacle } from "./check-bootstrap.ts";
import type { InstanceDriver, InstanceSpec } from "./driver.ts";
import type { Doorway } from "./door.ts";
import { httpDoorway } from "./http-door.ts";
import { instanceCommand } from "./instance-command.ts";
import { launcherClient } from "./launcher-client.ts";
import { nativeDoorway } from "./native-door.ts";
import { hostProbe } from "./probe-host.ts";
import { type ProcessInstance, processInstance } from "./process-instance.ts";
import { runtimeApiDoorway } from "./runtime-api/runtime-api-door.ts";

/** As long as a launcher may take to start. */
const LAUNCHER_WAIT_MS = 5_000;

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
  const native = await nativeDoorway(socketPath);
  const http = httpDoorway();
  const runtimeApi = runtimeApiDoorway(Date.now);
  /** Which versions take which way in. */
  const doorwayFor = (spec: InstanceSpec): Doorway => {
    if (spec.interface === "http") return http;
    return spec.runtime === "provided" ? runtimeApi : native;
  };

  const launch = async (instance: ProcessInstance, spec: InstanceSpec): Promise<void> => {
    const { id } = instance;
    const [host, settings] = await Promise.all([probeHost(spec.runtime), instance.settings]);
    const obstacle =
      spec.runtime === "provided" ? await bootstrapObstacle(spec.codeDirectory) : undefined;
    if (obstacle !== undefined) return instance.onInitError(obstacle);
    const how = instanceCommand(id, spec, host);
    if (how.kind === "impossible") return instance.onInitError(how.reason);
    if (!(await launcher.whenConnected(LAUNCHER_WAIT_MS)))
      return instance.onNotStarted("the launcher is not there");
    if (instance.isKilled()) return instance.onLost();
    const { greeting, environment } = settings;
    launcher.send({
      kind: "start",
      instance: id,
      command: how.command,
      environment: { ...how.environment, ...environment },
      directory: spec.codeDirectory,
      ...(greeting === undefined ? {} : { greeting }),
      memoryBytesMax: how.memoryBytesMax,
    });
  };

  return {
    start: (spec, onLog) => {
      started += 1;
      const id = `${bootPrefix}-${started}`;
      const instance = processInstance({
        id,
        spec,
        doorway: doorwayFor(spec),
        onLog,
        kill: () => launcher.send({ kind: "kill", instance: id }),
        onGone: () => {
          instances.delete(id);
          tellPids();
        },
      });
      instances.set(id, instance);
      launch(instance, spec).catch((error: unknown) => instance.onNotStarted(String(error)));
      return instance;
    },
    list: () => [...instances.values()],
    close: async () => {
      // Told first: an end that the launcher reports would be taken for the function's own.
      for (const instance of instances.values()) instance.kill();
      await launcher.close();
      await Promise.all([native.close(), http.close()]);
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
