import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { FRAME_KIND } from "#lib/contracts/instance-frames.ts";
import { type Frame, parseJson } from "#lib/frames.ts";
import { instanceFrameReader } from "./frames.ts";

const LINKS_MAX = 4_096;

type Receive = (frame: Frame) => void;

/**
 * The unix socket that runners connect to. The first frame carries the token of its instance; `onLink` takes the connection and
 * gives what receives its frames, that one included, or undefined to refuse it.
 */
export async function listenForInstances(
  socketPath: string,
  onLink: (token: string, socket: Socket) => Receive | undefined,
): Promise<{ readonly close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let receive: Receive | undefined;
    const read = instanceFrameReader((frame) => {
      receive ??= onLink(tokenOf(frame), socket);
      if (receive === undefined) socket.destroy();
      else receive(frame);
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        read(chunk);
      } catch {
        // Not the frames we know: the instance is ended for its broken link.
        socket.destroy();
      }
    });
  });
  server.maxConnections = LINKS_MAX;
  await rm(socketPath, { force: true });
  server.listen(socketPath);
  await once(server, "listening");
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Empty where the frame carries none. */
export function tokenOf(frame: Frame): string {
  if (frame.kind !== FRAME_KIND.ready && frame.kind !== FRAME_KIND.initError) return "";
  const said = parseJson(frame.payload);
  return typeof said === "object" && said !== null && "instanceToken" in said
    ? String(said.instanceToken)
    : "";
}
