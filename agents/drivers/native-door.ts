import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { FRAME_KIND } from "#lib/contracts/instance-frames.ts";
import type { Frame } from "#lib/frames.ts";
import type { Door, Doorway, Room } from "./door.ts";
import type { InstanceCall } from "./driver.ts";
import { invokeFrame, readErrorPayload } from "./frames.ts";
import { listenForInstances } from "./instance-links.ts";
import { notBegun } from "./not-begun.ts";
import { runningCalls } from "./running-calls.ts";

/** After the process ended, its last frames may still be on their way. */
const LAST_FRAMES_MS = 200;

interface NativeDoor extends Door {
  readonly token: string;
  /** The runner connected; the result receives its frames. */
  readonly onLink: (socket: Socket) => (frame: Frame) => void;
}

/** The socket that our own runners connect to; connected means that the handler is loaded. */
export async function nativeDoorway(socketPath: string): Promise<Doorway> {
  const doors = new Map<string, NativeDoor>();
  const links = await listenForInstances(socketPath, (token, socket) =>
    doors.get(token)?.onLink(socket),
  );
  return {
    open: (room) => {
      const door = nativeDoor(room, socketPath, (token) => doors.delete(token));
      doors.set(door.token, door);
      return door;
    },
    close: links.close,
  };
}

function nativeDoor(room: Room, socketPath: string, onClosed: (token: string) => void): NativeDoor {
  const token = randomBytes(16).toString("hex");
  const { codeDirectory, handler, concurrency } = room.spec;
  const greeting = { instance: room.id, token, socketPath, codeDirectory, handler, concurrency };
  let socket: Socket | undefined;
  const calls = runningCalls((frame) => socket?.write(frame));

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
        return room.onReady();
      default:
        return undefined;
    }
  };

  return {
    token,
    settings: Promise.resolve({ environment: {}, greeting: JSON.stringify(greeting) }),
    awaited: "the function's module did not load in time",
    onProcess: () => undefined,
    onLink: (link) => {
      socket = link;
      // A runner that hung up has nothing more to say, whatever its process still does.
      link.once("close", room.onHungUp);
      return onFrame;
    },
    invoke: (header, input): InstanceCall => {
      if (socket?.writable !== true || input.kind !== "event") return notBegun();
      const { callId, outcome } = calls.begin(header.requestId);
      socket.write(invokeFrame(callId, header, input.json));
      const cancel = () => calls.cancel(callId);
      return {
        outcome,
        cancel,
        // A handler cannot be stopped, and what it does later would fall into other calls.
        abandon: () => {
          cancel();
          return false;
        },
      };
    },
    drained: () => lastFrames(socket),
    close: (end) => {
      onClosed(token);
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
