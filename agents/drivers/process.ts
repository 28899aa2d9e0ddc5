import { randomBytes } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { RunningProcess } from "../launcher/messages.ts";
import { bootstrapObstacle } from "./check-bootstrap.ts";
import { INSIDE } from "../core/sandbox/sandbox-view.ts";
import type { InstanceDriver, InstanceLog, InstanceSpec, LeftInstance } from "./driver.ts";
import type { Doorway } from "./door.ts";
import { httpDoorway } from "./http-door.ts";
import { instanceCommand, RUNTIMES, type SharedFolder } from "./instance-command.ts";
import { type InstanceReport, launcherClient } from "./launcher-client.ts";
import { leftInstance, noteOf } from "./left-instances.ts";
import { nativeDoorway } from "./native-door.ts";
import { pooledStarts, type TakenRunner } from "./pool/pooled-starts.ts";
import { hostProbe } from "./probe-host.ts";
import { type ProcessInstance, processInstance } from "./process-instance.ts";
import { runtimeApiDoorway } from "./runtime-api/runtime-api-door.ts";
import type { Cell } from "./sandbox/open-sandbox.ts";
import { openShelter } from "./sandbox/shelter.ts";
import { type ForkFrom, keepZygote } from "./zygote/keep-zygote.ts";

/** As long as a launcher may take to start. */
const LAUNCHER_WAIT_MS = 5_000;
/** Nothing else is in it: a sandbox has the folder and not the socket, which is another one for each agent. */
const INSTANCE_SOCKET_FOLDER = "i";
const SOCKET = "agent.sock";

export interface ProcessDriverOptions {
  readonly stateDirectory: string;
  /** Short, and nobody else's: unix sockets have paths of at most about 100 bytes. */
  readonly socketDirectory: string;
  /** How long the launcher and its instances outlive this process. */
  readonly launcherGraceMs: number;
  /** For runners that wait for a function; absent: none does. */
  readonly poolMegabytesMax?: number;
  /** `off`: instances are plain processes even where they could be kept apart. Absent: `auto`. */
  readonly sandbox?: "auto" | "off" | undefined;
  readonly sharedFolders?: readonly SharedFolder[] | undefined;
  /** The first of the numbers that users of instances have, where the agent is root. */
  readonly instanceUsersFrom?: number | undefined;
  /** `auto`: instances of Python are forked from one process, where that is proved to keep them apart. Absent: `off`. */
  readonly pythonForks?: "auto" | "off" | undefined;
  /** Where gVisor's `runsc` is; absent: on the PATH, or nowhere. */
  readonly gvisorProgram?: string | undefined;
  readonly log: Logger;
  /** Called with the launcher and every instance whenever one comes or goes. */
  readonly onPids: (pids: readonly number[]) => void;
  /** A process that was started later has the launcher and all instances: this one has nothing to do any more. Absent: there is none. */
  readonly onReplaced?: () => void;
}

/** Instances as processes of this machine, started by a launcher of their own. */
export async function createProcessDriver(options: ProcessDriverOptions): Promise<InstanceDriver> {
  await mkdir(options.stateDirectory, { recursive: true, mode: 0o700 });
  const probeHost = hostProbe();
  const instances = new Map<string, ProcessInstance>();
  const canaries = new WeakSet<ProcessInstance>();
  const bootPrefix = randomBytes(3).toString("hex");
  let started = 0;
  let launcherPid: number | undefined;
  const left: LeftInstance[] = [];
  let isAsked = false;
  // Instances of the agent before this one look for the next one on the same path.
  const socketFolder = join(options.socketDirectory, INSTANCE_SOCKET_FOLDER);
  await mkdir(socketFolder, { recursive: true });
  const socketFile = join(socketFolder, SOCKET);
  const shelter = await openShelter({
    ...options,
    sandbox: options.sandbox ?? "auto",
    usersFrom: options.instanceUsersFrom,
    agentDirectory: socketFolder,
    runtimeDirectory: join(RUNTIMES, "node"),
    prefix: bootPrefix,
    probeHost,
    send: (message) => launcher.send(message),
    start: (spec) => {
      const canary = startInstance(
        spec,
        () => undefined,
        undefined,
        () => undefined,
      );
      canaries.add(canary);
      return canary;
    },
    forks: {
      start: (spec) => {
        const fork = zygote.forCanary();
        if (fork === undefined) return undefined;
        const canary = startInstance(
          spec,
          () => undefined,
          undefined,
          () => fork,
        );
        canaries.add(canary);
        return canary;
      },
      judge: (obstacle) => zygote.judge(obstacle),
      notes: () => zygote.notes(),
    },
  });
  const socketPath = shelter.isSandboxed ? join(INSIDE.agent, SOCKET) : socketFile;
  const native = await nativeDoorway(socketFile, socketPath);
  // Who can enter the folder around it is decided there; instances may have users of their own.
  await Promise.all([chmod(socketFolder, 0o755), chmod(socketFile, 0o666)]);

  const tellPids = (): void => {
    const pids = [...instances.values()].flatMap((instance) => instance.pid() ?? []);
    pids.push(...pool.pids());
    options.onPids(launcherPid === undefined ? pids : [launcherPid, ...pids]);
  };
  const onMessage = (message: InstanceReport): void => {
    (instances.get(message.instance) ?? pool).onReport(message);
    shelter.onReport(message);
    zygote.onReport(message);
    if (message.kind === "started") tellPids();
  };
  const launcher = launcherClient({
    stateDirectory: options.stateDirectory,
    socketDirectory: options.socketDirectory,
    graceMs: options.launcherGraceMs,
    log: options.log,
    onConnected: (pid, running) => {
      launcherPid = pid;
      for (const process of running) if (!shelter.takeOver(process)) takeOver(process);
      pool.onConnected(running);
      shelter.onConnected();
      zygote.onConnected();
      tellPids();
    },
    onMessage,
    onLost: () => {
      launcherPid = undefined;
      for (const instance of instances.values()) instance.onLost();
      pool.onLost();
      shelter.onLost();
      zygote.onLost();
    },
    onReplaced: () => {
      pool.close();
      zygote.close();
      options.onReplaced?.();
    },
  });
  const zygote = keepZygote({
    isWanted: options.pythonForks === "auto",
    prefix: bootPrefix,
    common: shelter.common,
    probeHost,
    send: (message) => launcher.send(message),
    onReady: () => shelter.proveAgain(),
    log: options.log,
  });
  const kill = (id: string): void => launcher.send({ kind: "kill", instance: id });
  const onGone = (id: string): void => {
    instances.delete(id);
    tellPids();
  };
  const takeOver = (process: RunningProcess): void => {
    const found = isAsked ? undefined : leftInstance(process, { native, kill, onGone });
    if (found === undefined) return kill(process.instance);
    left.push(found);
    instances.set(process.instance, found.instance);
  };

  const http = httpDoorway();
  const runtimeApi = runtimeApiDoorway(Date.now);
  /** Which versions take which way in. */
  const doorwayFor = (spec: InstanceSpec): Doorway => {
    if (spec.interface === "http") return http;
    return spec.runtime === "provided" ? runtimeApi : native;
  };

  const launch = async (
    instance: ProcessInstance,
    spec: InstanceSpec,
    cell: Cell | undefined,
    fork: () => ForkFrom | undefined,
  ): Promise<void> => {
    const { id } = instance;
    const [host, settings, shortfall] = await Promise.all([
      probeHost(spec.runtime),
      instance.settings,
      shelter.obstacle(spec),
    ]);
    if (shortfall !== undefined) return instance.onNotStarted(shortfall);
    const obstacle =
      spec.runtime === "provided"
        ? await bootstrapObstacle(spec.codeDirectory, shelter.isSandboxed)
        : undefined;
    if (obstacle !== undefined) return instance.onInitError(obstacle);
    const { greeting, environment, reopensBy } = settings;
    const { sharedFolders } = options;
    const how = instanceCommand(id, spec, { host, cell, environment, sharedFolders, fork: fork() });
    if (how.kind === "impossible") return instance.onInitError(how.reason);
    if (!(await launcher.whenConnected(LAUNCHER_WAIT_MS)))
      return instance.onNotStarted("the launcher is not there");
    if (instance.isKilled()) return instance.onLost();
    launcher.send({
      kind: "start",
      instance: id,
      ...how.start,
      ...(greeting === undefined ? {} : { greeting: JSON.stringify({ ...greeting, ...how.told }) }),
      note: noteOf(spec, reopensBy),
    });
  };

  const nextId = (): string => {
    started += 1;
    return `${bootPrefix}-${started}`;
  };
  const pool = pooledStarts({
    poolMegabytesMax: options.poolMegabytesMax ?? 0,
    slotsDirectory: join(options.stateDirectory, "slots"),
    socketPath,
    shelter,
    launcher,
    probeHost,
    nextId,
    sharedFolders: options.sharedFolders,
    fork: zygote.forFunctions,
  });
  const assign = async (
    instance: ProcessInstance,
    spec: InstanceSpec,
    runner: TakenRunner,
  ): Promise<void> => {
    instance.onReport({ kind: "started", ...runner.process });
    const [settings, shortfall] = await Promise.all([instance.settings, shelter.obstacle(spec)]);
    if (shortfall === undefined) {
      const impossible = await runner.assign(spec, settings, noteOf(spec, settings.reopensBy));
      if (impossible !== undefined) instance.onInitError(impossible.reason);
      return;
    }
    instance.onNotStarted(shortfall);
    kill(instance.id);
  };

  const startInstance = (
    spec: InstanceSpec,
    onLog: (line: InstanceLog) => void,
    runner: TakenRunner | undefined,
    fork = zygote.forFunctions,
  ): ProcessInstance => {
    const id = runner?.process.instance ?? nextId();
    const cell = runner === undefined ? shelter.openCell() : runner.cell;
    const instance = processInstance({
      id,
      spec,
      openDoor: (room) => {
        const seen = shelter.isSandboxed ? { ...spec, codeDirectory: INSIDE.task } : spec;
        return doorwayFor(spec).open({ ...room, spec: seen, cell });
      },
      isPooled: runner !== undefined,
      onLog,
      kill: () => kill(id),
      onGone: () => {
        if (runner === undefined) cell?.leave();
        else pool.left(id);
        onGone(id);
      },
    });
    instances.set(id, instance);
    pool.follow(instance.started);
    const starting =
      runner === undefined ? launch(instance, spec, cell, fork) : assign(instance, spec, runner);
    starting.catch((error: unknown) => {
      instance.onNotStarted(String(error));
      // A runner is there whatever became of the start.
      if (runner !== undefined) kill(id);
    });
    return instance;
  };

  return {
    start: (spec, onLog) => startInstance(spec, onLog, pool.take(spec)),
    leftBehind: async () => {
      await launcher.looked;
      isAsked = true;
      return left;
    },
    list: () => [...instances.values()].filter((instance) => !canaries.has(instance)),
    isolation: shelter.isolation,
    close: async () => {
      pool.close();
      zygote.close();
      // Told first: an end that the launcher reports would be taken for the function's own.
      for (const instance of instances.values()) instance.kill();
      await launcher.close();
      await Promise.all([native.close(), http.close(), shelter.close()]);
    },
  };
}
