import assert from "node:assert/strict";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { DoorOptions } from "./door.ts";
import { fastLane } from "./fast-lane/fast-lane.ts";
import { http1Server } from "./http1-door.ts";
import type { Http2Door } from "./http2-door.ts";
import { tellProtocol } from "./tell-protocol.ts";

/** A port where both versions of HTTP are spoken. */
export interface HttpListener {
  readonly server: Server;
  /** A connection that was accepted elsewhere, such as over TLS. */
  readonly accept: (socket: Socket) => void;
  readonly closeIdle: () => void;
}

/** Node's HTTP/1 server with a look at the first bytes of each connection before it gets it. */
export function httpListener(options: DoorOptions, { accept: http2 }: Http2Door): HttpListener {
  const { limits } = options;
  const server = http1Server(options);
  const [serve] = server.listeners("connection");
  assert(serve !== undefined, "node:http serves connections as they are announced");
  server.removeAllListeners("connection");

  const serveByNode = (socket: Socket): void => {
    Reflect.apply(serve, server, [socket]);
  };
  const fast = options.fastLane === "on" ? fastLane(options, serveByNode) : undefined;
  const http1 = (socket: Socket): void => {
    if (fast === undefined || "encrypted" in socket) serveByNode(socket);
    else fast.accept(socket);
  };

  const undecided = new Set<Socket>();
  const decide = (serveIt: (socket: Socket) => void) => (socket: Socket) => {
    undecided.delete(socket);
    serveIt(socket);
  };
  const doors = {
    ...options,
    headersTimeoutMs: limits.headersTimeoutMs,
    http1: decide(http1),
    http2: decide(http2),
  };
  const accept = (socket: Socket): void => {
    undecided.add(socket);
    socket.once("close", () => undecided.delete(socket));
    tellProtocol(socket, doors);
  };
  server.on("connection", accept);
  return {
    server,
    accept,
    closeIdle: () => {
      server.closeIdleConnections();
      fast?.closeIdle();
      for (const socket of undecided) socket.destroy();
    },
  };
}
