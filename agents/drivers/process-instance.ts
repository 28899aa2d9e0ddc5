import type { Socket } from "node:net";
import { type ErrorPayload, FRAME_KIND } from "#lib/contracts/instance-frames.ts";
import { type InstanceEnd, initEndError } from "../core/function-error.ts";
import type { FromLauncher } from "../launcher/messages.ts";
import type { Instance, InstanceCall, InstanceLog, InstanceSpec, InstanceStart } from "./driver.ts";
import { encodeFrame, type Frame } from "#lib/frames.ts";
import { invokeFrame, readErrorPayload } from "./frames.ts";
import { type RunningCalls, runningCalls } from "./running-calls.ts";

/** The last words of an instance that a failure quotes. */
const OUTPUT_TAIL_CHARACTERS = 4_096;
/** After the process ended, its last frames may still be on their way. */
const LAST_FRAMES_MS = 200;

type AboutInstance = Exclude<FromLauncher, { kind: "hello" | "pong" }>;

/** An instance in a process of its own, seen from two sides: the launcher's reports and the frames of its runner. */
export interface ProcessInstance extends Instance {
  readonly token: string;
  readonly pid: () => number | undefined;
  /** Ended before there was a process to end. */
  readonly isKilled: () => boolean;
  readonly onReport: (report: AboutInstance) => void;
  /** The runner connected; the result receives its frames. */
  readonly onLink: (socket: Socket) => (frame: Frame) => void;
  readonly onLost: () => void;
  readonly onNotStarted: (reason: string) => void;
  /** This machine cannot run it, for a reason its owner should read. */
  readonly onInitError: (reason: string) => void;
}

export interface ProcessInstanceOptions {
  readonly id: string;
  readonly token: string;
  readonly spec: InstanceSpec;
  readonly onLog: (line: InstanceLog) => void;
  /** Asks the launcher to end the process. */
  readonly kill: () => void;
  /** Called once, when it is gone. */
  readonly onGone: () => void;
}

export function processInstance(options: ProcessInstanceOptions): ProcessInstance {
  const { id, token, onLog } = options;
  const start = startOf(options);
  const ended = Promise.withResolvers<InstanceEnd>();
  const calls = runningCalls();
  let pid: number | undefined;
  let socket: Socket | undefined;
  let tail = "";
  let isKilled = false;
  /** Its process is over; only its last frames may still come. */
  let isOver = false;
  let isGone = false;

  const finish = (end: InstanceEnd): void => {
    if (isGone) return;
    isGone = true;
    socket?.destroy();
    start.onEnd(end, tail);
    calls.endAll({ kind: "ended", end });
    options.onGone();
    ended.resolve(end);
  };
  const onFrame = (frame: Frame): void => {
    switch (frame.kind) {
      case FRAME_KIND.log: {
        const requestId = calls.requestIdOf(frame.callId);
        return onLog({ requestId, text: frame.payload.toString("utf8") });
      }
      case FRAME_KIND.result:
      case FRAME_KIND.error:
        return calls.onEnd(frame);
      case FRAME_KIND.initError:
        return start.fail(readErrorPayload(frame.payload));
      case FRAME_KIND.ready:
        return start.onReady();
      default:
        return undefined;
    }
  };
  const onReport = (report: AboutInstance): void => {
    switch (report.kind) {
      case "started":
        pid = report.pid;
        return start.onProcess();
      case "output":
        tail = (tail + report.text).slice(-OUTPUT_TAIL_CHARACTERS);
        start.onOutput(tail);
        return onLog({ requestId: undefined, text: report.text });
      case "not-started":
        start.refuse(report.reason);
        return finish({ kind: "lost" });
      case "exited":
        isOver = true;
        return afterLastFrames(socket, () => finish(readEnd(report, tail)));
    }
  };

  return {
    id,
    token,
    pid: () => (isGone ? undefined : pid),
    isKilled: () => isKilled,
    started: start.outcome,
    ended: ended.promise,
    kill: () => {
      isKilled = true;
      start.refuse("it was ended before it was ready");
      options.kill();
    },
    invoke: (header, event) =>
      isOver || isGone || isKilled || socket?.writable !== true
        ? { outcome: Promise.resolve({ kind: "not-begun" }), cancel: () => undefined }
        : callOver(socket, calls, header, event),
    onLink: (link) => {
      socket = link;
      // A runner that hung up has nothing more to say, whatever its process still does.
      link.once("close", options.kill);
      return onFrame;
    },
    onReport,
    onLost: () => finish({ kind: "lost" }),
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
function startOf({ spec, kill }: ProcessInstanceOptions) {
  const { promise, resolve } = Promise.withResolvers<InstanceStart>();
  const beganAtMs = performance.now();
  let processAtMs: number | undefined;
  let output = "";
  const settle = (outcome: InstanceStart): void => {
    clearTimeout(timer);
    resolve(outcome);
  };
  const fail = (error: ErrorPayload): void => {
    settle({ kind: "init-failed", error });
    kill();
  };
  const timer = setTimeout(() => {
    if (processAtMs === undefined) settle({ kind: "not-started", reason: "no process came" });
    fail(initEndError("timeout", output));
  }, spec.initTimeoutMs);
  return {
    outcome: promise,
    fail,
    refuse: (reason: string) => settle({ kind: "not-started", reason }),
    onProcess: () => {
      processAtMs = performance.now();
    },
    onOutput: (tail: string) => {
      output = tail;
    },
    onReady: () => {
      const nowMs = performance.now();
      const sandboxMs = (processAtMs ?? nowMs) - beganAtMs;
      settle({ kind: "ready", sandboxMs, initMs: nowMs - beganAtMs - sandboxMs });
    },
    onEnd: (end: InstanceEnd, tail: string) =>
      settle(
        end.kind === "lost"
          ? { kind: "not-started", reason: "its launcher is gone" }
          : { kind: "init-failed", error: initEndError(end, tail) },
      ),
  };
}

function callOver(
  socket: Socket,
  calls: RunningCalls,
  ...[header, event]: Parameters<Instance["invoke"]>
): InstanceCall {
  const { callId, outcome } = calls.begin(header.requestId);
  socket.write(invokeFrame(callId, header, event));
  return {
    outcome,
    cancel: () => {
      if (calls.isRunning(callId)) socket.write(encodeFrame(FRAME_KIND.cancel, callId));
    },
  };
}

function afterLastFrames(socket: Socket | undefined, then: () => void): void {
  if (socket === undefined || socket.destroyed) return then();
  const timer = setTimeout(then, LAST_FRAMES_MS);
  socket.once("close", () => {
    clearTimeout(timer);
    then();
  });
}

/** V8 aborts with its own words when the heap is full; the launcher ends what takes too much beside the heap. */
function readEnd(report: Extract<FromLauncher, { kind: "exited" }>, tail: string): InstanceEnd {
  if (report.isOutOfMemory || tail.includes("heap out of memory")) return { kind: "out-of-memory" };
  return report.signal === null
    ? { kind: "exit", code: report.code ?? 0 }
    : { kind: "signal", signal: report.signal };
}
