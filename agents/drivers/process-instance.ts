import type { Socket } from "node:net";
import {
  type ErrorPayload,
  FRAME_KIND,
  type InvokeHeader,
} from "#lib/contracts/instance-frames.ts";
import { type InstanceEnd, initEndError } from "../core/function-error.ts";
import type { FromLauncher } from "../launcher/messages.ts";
import type {
  CallEnd,
  Instance,
  InstanceCall,
  InstanceLog,
  InstanceSpec,
  InstanceStart,
} from "./driver.ts";
import { encodeFrame, type Frame, invokeFrame, readErrorPayload } from "./frames.ts";

/** The last words of an instance that a failure quotes. */
const OUTPUT_TAIL_CHARACTERS = 4_096;
/** After the process ended, its last frames may still be on their way. */
const LAST_FRAMES_MS = 200;
const CALL_ID_MAX = 0xffff_ffff;

type AboutInstance = Exclude<FromLauncher, { kind: "hello" }>;

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
  const { id, token, spec, onLog } = options;
  const started = Promise.withResolvers<InstanceStart>();
  const ended = Promise.withResolvers<InstanceEnd>();
  const calls = new Map<number, RunningCall>();
  const beganAtMs = performance.now();
  let processAtMs = beganAtMs;
  let pid: number | undefined;
  let socket: Socket | undefined;
  let nextCallId = 1;
  let tail = "";
  let isGone = false;
  let isOver = false;
  let isKilled = false;

  const kill = (): void => {
    isKilled = true;
    started.resolve({ kind: "not-started", reason: "it was ended before it was ready" });
    options.kill();
  };
  const initFailed = (error: ErrorPayload): void => {
    started.resolve({ kind: "init-failed", error });
    options.kill();
  };
  const initTimer = setTimeout(() => initFailed(initEndError("timeout", tail)), spec.initTimeoutMs);

  const finish = (end: InstanceEnd): void => {
    if (isGone) return;
    isGone = true;
    clearTimeout(initTimer);
    socket?.destroy();
    started.resolve(
      end.kind === "lost"
        ? { kind: "not-started", reason: "its launcher is gone" }
        : { kind: "init-failed", error: initEndError(end, tail) },
    );
    for (const { settle } of calls.values()) settle({ kind: "ended", end });
    calls.clear();
    options.onGone();
    ended.resolve(end);
  };

  const onFrame = ({ kind, callId, payload }: Frame): void => {
    const call = calls.get(callId);
    switch (kind) {
      case FRAME_KIND.log:
        return onLog({ requestId: call?.requestId, text: payload.toString("utf8") });
      case FRAME_KIND.result:
        calls.delete(callId);
        // A copy, because the payload is a view into what was read.
        return call?.settle({ kind: "result", json: Buffer.from(payload) });
      case FRAME_KIND.error:
        calls.delete(callId);
        return call?.settle({ kind: "error", error: readErrorPayload(payload) });
      case FRAME_KIND.initError:
        return initFailed(readErrorPayload(payload));
      case FRAME_KIND.ready:
        clearTimeout(initTimer);
        return started.resolve({
          kind: "ready",
          sandboxMs: processAtMs - beganAtMs,
          initMs: performance.now() - processAtMs,
        });
      default:
        return undefined;
    }
  };

  const onExited = (end: InstanceEnd): void => {
    if (isOver) return;
    isOver = true;
    if (socket === undefined || socket.destroyed) return finish(end);
    const timer = setTimeout(() => finish(end), LAST_FRAMES_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      finish(end);
    });
  };

  return {
    id,
    token,
    pid: () => (isGone ? undefined : pid),
    isKilled: () => isKilled,
    started: started.promise,
    ended: ended.promise,
    kill,
    invoke: (header: InvokeHeader, event: Buffer): InstanceCall => {
      const outcome = Promise.withResolvers<CallEnd>();
      const callId = nextCallId;
      nextCallId = nextCallId === CALL_ID_MAX ? 1 : nextCallId + 1;
      if (isGone || socket?.writable !== true) {
        outcome.resolve({ kind: "not-begun" });
        return { outcome: outcome.promise, cancel: () => undefined };
      }
      calls.set(callId, { requestId: header.requestId, settle: outcome.resolve });
      socket.write(invokeFrame(callId, header, event));
      return {
        outcome: outcome.promise,
        cancel: () => {
          if (calls.has(callId)) socket?.write(encodeFrame(FRAME_KIND.cancel, callId));
        },
      };
    },
    onLink: (link) => {
      socket = link;
      // A runner that hung up has nothing more to say, whatever its process still does.
      link.once("close", options.kill);
      return onFrame;
    },
    onReport: (report) => {
      switch (report.kind) {
        case "started":
          pid = report.pid;
          processAtMs = performance.now();
          return undefined;
        case "output":
          tail = (tail + report.text).slice(-OUTPUT_TAIL_CHARACTERS);
          return onLog({ requestId: undefined, text: report.text });
        case "not-started":
          started.resolve({ kind: "not-started", reason: report.reason });
          return finish({ kind: "lost" });
        case "exited":
          return onExited(readEnd(report, tail));
      }
    },
    onLost: () => finish({ kind: "lost" }),
    onNotStarted: (reason) => {
      started.resolve({ kind: "not-started", reason });
      finish({ kind: "lost" });
    },
    onInitError: (errorMessage) => {
      initFailed({ errorType: "Runtime.InitError", errorMessage });
      finish({ kind: "lost" });
    },
  };
}

interface RunningCall {
  readonly requestId: string;
  readonly settle: (end: CallEnd) => void;
}

/** V8 aborts with its own words when the heap is full; the launcher ends what takes too much beside the heap. */
function readEnd(report: Extract<FromLauncher, { kind: "exited" }>, tail: string): InstanceEnd {
  if (report.isOutOfMemory || tail.includes("heap out of memory")) return { kind: "out-of-memory" };
  return report.signal === null
    ? { kind: "exit", code: report.code ?? 0 }
    : { kind: "signal", signal: report.signal };
}
