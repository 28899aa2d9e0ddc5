import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { type InstanceEnd, initEndError } from "../core/function-error.ts";
import { isStillRunning } from "#lib/io/process-identity.ts";
import type { FromLauncher, RunningProcess } from "../launcher/messages.ts";
import type { Door, DoorSettings, Room } from "./door.ts";
import type { Instance, InstanceLog, InstanceSpec, InstanceStart, LeftCall } from "./driver.ts";
import type { InstanceReport } from "./launcher-client.ts";
import { notBegun } from "./not-begun.ts";

/** The last words of an instance that a failure quotes. */
const OUTPUT_TAIL_CHARACTERS = 4_096;

/** Most that hang up are at their end, and how they end is heard through a sandbox a little later. */
const HUNG_UP_GRACE_MS = 100;

/** An instance in a process of its own: the launcher reports of the process, and calls go through its door. */
export interface ProcessInstance extends Instance {
  /** What its process has to be told before it is started. */
  readonly settings: Promise<DoorSettings>;
  readonly pid: () => number | undefined;
  /** Ended before there was a process to end. */
  readonly isKilled: () => boolean;
  readonly onReport: (report: InstanceReport) => void;
  readonly onLost: () => void;
  readonly onNotStarted: (reason: string) => void;
  /** This machine cannot run it, for a reason its owner should read. */
  readonly onInitError: (reason: string) => void;
}

export interface ProcessInstanceOptions {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly openDoor: (room: Room) => Door;
  /** Its process is there already. */
  readonly isPooled?: boolean;
  /** Where a process takes its time to come, the time for that alone, and what stands in its way; absent: the time for the start is for both. */
  readonly awaitsProcess?: {
    readonly limitMs: number;
    readonly obstacle: () => string | undefined;
  };
  readonly onLog: (line: InstanceLog) => void;
  /** Asks the launcher to end the process. */
  readonly kill: () => void;
  /** Called once, when it is gone. */
  readonly onGone: () => void;
}

export function processInstance(options: ProcessInstanceOptions): ProcessInstance {
  const { id, spec, onLog } = options;
  const ended = Promise.withResolvers<InstanceEnd>();
  const door = options.openDoor({
    id,
    spec,
    onReady: (leftCalls) => start.onReady(leftCalls),
    onInitError: (error) => start.fail(error),
    onRefused: (reason) => {
      start.refuse(reason);
      options.kill();
    },
    onLog,
    onHungUp: () => {
      hangUp ??= setTimeout(options.kill, HUNG_UP_GRACE_MS);
    },
  });
  const start = startOf(options, door.awaited);
  let running: RunningProcess | undefined;
  let hangUp: NodeJS.Timeout | undefined;
  let tail = "";
  let isKilled = false;
  /** Its process is over; only its last words may still come. */
  let isOver = false;
  let isGone = false;

  const finish = (end: InstanceEnd): void => {
    if (isGone) return;
    isGone = true;
    clearTimeout(hangUp);
    start.onEnd(end, tail);
    door.close(end);
    options.onGone();
    ended.resolve(end);
  };
  const onReport = (report: InstanceReport): void => {
    switch (report.kind) {
      case "started":
        running = report;
        start.onProcess();
        return door.onProcess(report.pid);
      case "output":
        tail = (tail + report.text).slice(-OUTPUT_TAIL_CHARACTERS);
        start.onOutput(tail);
        return onLog({ requestId: door.requestIdOfOutput?.(), text: report.text });
      case "not-started":
        start.refuse(report.reason);
        return finish({ kind: "lost" });
      case "exited":
        isOver = true;
        void door.drained().then(() => finish(readEnd(report, tail)));
    }
  };

  return {
    id,
    settings: door.settings,
    pid: () => (isGone ? undefined : running?.pid),
    isKilled: () => isKilled,
    started: start.outcome,
    ended: ended.promise,
    kill: () => {
      isKilled = true;
      start.refuse("it was ended before it was ready");
      options.kill();
    },
    invoke: (header, input) =>
      isOver || isGone || isKilled ? notBegun() : door.invoke(header, input),
    onReport,
    onLost: () => {
      if (!isGone && running !== undefined) killGroup(running);
      finish({ kind: "lost" });
    },
    onNotStarted: (reason) => {
      start.refuse(reason);
      finish({ kind: "lost" });
    },
    onInitError: (errorMessage) => {
      start.fail({ errorType: "Runtime.InitError", errorMessage });
      finish({ kind: "lost" });
    },
  };
}

/** How the start came out; the first word counts. */
function startOf(options: ProcessInstanceOptions, awaited: string) {
  const { spec, kill, isPooled = false, awaitsProcess } = options;
  const { promise, resolve } = Promise.withResolvers<InstanceStart>();
  const beganAtMs = performance.now();
  let processAtMs: number | undefined;
  let output = "";
  let isSettled = false;
  const settle = (outcome: InstanceStart): void => {
    isSettled = true;
    clearTimeout(timer);
    resolve(outcome);
  };
  const fail = (error: ErrorPayload): void => {
    settle({ kind: "init-failed", error });
    kill();
  };
  const onTimeout = (): void => {
    const reason = awaitsProcess?.obstacle() ?? "no process came";
    if (processAtMs === undefined) settle({ kind: "not-started", reason });
    fail(initEndError({ kind: "timeout", awaited }, output));
  };
  let timer = setTimeout(onTimeout, awaitsProcess?.limitMs ?? spec.initTimeoutMs);
  return {
    outcome: promise,
    fail,
    refuse: (reason: string) => settle({ kind: "not-started", reason }),
    onProcess: () => {
      processAtMs = performance.now();
      if (awaitsProcess === undefined || isSettled) return;
      clearTimeout(timer);
      timer = setTimeout(onTimeout, spec.initTimeoutMs);
    },
    onOutput: (tail: string) => {
      output = tail;
    },
    onReady: (leftCalls: readonly LeftCall[] = []) => {
      const nowMs = performance.now();
      const sandboxMs = (processAtMs ?? nowMs) - beganAtMs;
      const initMs = nowMs - beganAtMs - sandboxMs;
      settle({ kind: "ready", sandboxMs, initMs, isPooled, leftCalls });
    },
    onEnd: (end: InstanceEnd, tail: string) =>
      settle(
        end.kind === "lost"
          ? { kind: "not-started", reason: "its launcher is gone" }
          : { kind: "init-failed", error: initEndError(end, tail) },
      ),
  };
}

/** With the launcher gone, its instances are ended from here; the kernel and their own runners do the same. */
function killGroup(identity: RunningProcess): void {
  if (!isStillRunning(identity)) return;
  try {
    process.kill(-identity.pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

/** V8 aborts with its own words when the heap is full; the launcher ends what takes too much beside the heap. */
function readEnd(report: Extract<FromLauncher, { kind: "exited" }>, tail: string): InstanceEnd {
  if (report.isOutOfMemory || tail.includes("heap out of memory")) return { kind: "out-of-memory" };
  return report.signal === null
    ? { kind: "exit", code: report.code ?? 0 }
    : { kind: "signal", signal: report.signal };
}
