import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { FRAME_KIND } from "#lib/contracts/instance-frames.ts";
import type { Frame } from "#lib/frames.ts";
import type { Door, Doorway, Room } from "./door.ts";
import type { InstanceCall } from "./driver.ts";
import { invokeFrame, readErrorPayload, readRunningCalls } from "./frames.ts";
import { listenForInstances } from "./instance-links.ts";
import { notBegun } from "./not-begun.ts";
import { runningCalls } from "./running-calls.ts";

/** After the process ended, its last frames may still be on their way. */
const LAST_FRAMES_MS = 200;

export interface NativeDoorway extends Doorway {
  /** For a process that an agent before this one started; `reopensBy` is of the settings of its door then. */
  readonly reopen: (room: Room, reopensBy: string) => Door;
}

interface NativeDoor extends Door {
  /** The runner connected; the result receives its frames, and undefined refuses it. */
  readonly onLink: (socket: Socket) => ((frame: Frame) => void) | undefined;
}

/**
 * The socket that our own runners connect to; connected means that the handler is loaded. `seenPath` is where they find it, which
 * may be another in a sandbox.
 */
export async function nativeDoorway(
  socketPath: string,
  seenPath = socketPath,
): Promise<NativeDoorway> {
  const doors = nativeDoors(seenPath);
  const links = await listenForInstances(socketPath, doors.onLink);
  return { ...doors, close: links.close };
}

export interface NativeDoors extends Omit<NativeDoorway, "close"> {
  /** A runner connected, and says by the token whose it is; the result receives its frames, and undefined refuses it. */
  readonly onLink: (token: string, socket: Socket) => ((frame: Frame) => void) | undefined;
}

/** The doors alone, for connections that come another way. */
export function nativeDoors(seenPath: string): NativeDoors {
  const doors = new Map<string, NativeDoor>();
  const open = (room: Room, token: string): Door => {
    const door = nativeDoor(room, seenPath, token, () => doors.delete(token));
    doors.set(token, door);
    return door;
  };
  return {
    open: (room) => open(room, randomBytes(16).toString("hex")),
    reopen: open,
    onLink: (token, socket) => doors.get(token)?.onLink(socket),
  };
}

function nativeDoor(
  room: Room,
  socketPath: string,
  token: string,
  onClosed: () => void,
): NativeDoor {
  const { codeDirectory, handler, concurrency } = room.spec;
  const greeting = { instance: room.id, token, socketPath, codeDirectory, handler, concurrency };
  let socket: Socket | undefined;
  let isReady = false;
  const calls = runningCalls((frame) => socket?.write(frame));

  /** A handler cannot be stopped, and what it does later would fall into other calls. */
  const callOf = (callId: number, outcome: InstanceCall["outcome"]): InstanceCall => {
    const cancel = () => calls.cancel(callId);
    return {
      outcome,
      cancel,
      abandon: () => {
        cancel();
        return false;
      },
    };
  };
  const onReady = (payload: Buffer): void => {
    if (isReady) return;
    isReady = true;
    const left = readRunningCalls(payload, concurrency).map(({ callId, requestId, leftMs }) => {
      const { outcome } = calls.takeOver(callId, requestId);
      return { requestId, leftMs, call: callOf(callId, outcome) };
    });
    room.onReady(left);
  };
  const onFrame = (frame: Frame): void => {
    switch (frame.kind) {
      case FRAME_KIND.log: {
        const requestId = calls.requestIdOf(frame.callId);
        return room.onLog({ requestId, text: frame.payload.toString("utf8") });
      }
      case FRAME_KIND.result:
      case FRAME_KIND.error:
      case FRAME_KIND.head:
      case FRAME_KIND.part:
      case FRAME_KIND.end:
        return calls.onFrame(frame);
      case FRAME_KIND.initError:
        return room.onInitError(readErrorPayload(frame.payload));
      case FRAME_KIND.ready:
        return onReady(frame.payload);
      default:
        return undefined;
    }
  };

  return {
    settings: Promise.resolve({
      environment: {},
      greeting,
      reopensBy: token,
    }),
    awaited: "the function's module did not load in time",
    onProcess: () => undefined,
    onLink: (link) => {
      // It hung up once, and is being ended.
      if (socket !== undefined) return undefined;
      socket = link;
      // A runner that hung up has nothing more to say, whatever its process still does.
      link.once("close", room.onHungUp);
      return onFrame;
    },
    invoke: (header, input): InstanceCall => {
      if (socket?.writable !== true || input.kind !== "event") return notBegun();
      const { callId, outcome } = calls.begin(header.requestId);
      socket.write(invokeFrame(callId, header, input.json));
      return callOf(callId, outcome);
    },
    drained: () => lastFrames(socket),
    close: (end) => {
      onClosed();
      socket?.destroy();
      calls.endAll(end);
    },
  };
}

function lastFrames(socket: Socket | undefined): Promise<void> {
  if (socket === undefined || socket.destroyed) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LAST_FRAMES_MS);
  socket.once("close", () => {
    clearTimeout(timer);
    resolve();
  });
  return promise;
}
