import type { Socket } from "node:net";
import type { DoorOptions } from "../door.ts";
import { serveConnection } from "./fast-connection.ts";

/**
 * Serves plain requests without the objects that Node's HTTP server makes of each, and reads so little of HTTP that there is
 * nothing to read in two ways. A connection on which anything else comes is Node's from then on, with every byte that was not served.
 */
export interface FastLane {
  readonly accept: (socket: Socket) => void;
  readonly closeIdle: () => void;
}

export function fastLane(options: DoorOptions, giveBack: (socket: Socket) => void): FastLane {
  const idle = new Set<Socket>();
  return {
    accept: (socket) => serveConnection(socket, { ...options, giveBack, idle }),
    closeIdle: () => {
      for (const socket of idle) socket.destroy();
    },
  };
}
