import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { readRuntimeRequest, REFUSALS } from "../../core/runtime-request.ts";
import type { Door, Doorway, Room } from "../door.ts";
import { notBegun } from "../not-begun.ts";
import { handOut, refuse } from "./answer-runtime.ts";
import { isOwnConnection } from "./own-connection.ts";
import { runtimeCalls, type RuntimeCall } from "./runtime-calls.ts";
import { takeError, takeInitError, takeResponse } from "./take-answer.ts";

/** AWS's own clients put the cause of an error for X-Ray into a header of up to 1 MiB. */
const HEADER_BYTES_MAX = 1_114_112;
/** Where instances have no users of their own, by which each could be kept to an address of its own. */
const SHARED_ADDRESS = "127.0.0.1";
/** Beside one for each call at once, which is what runtimes open. */
const CONNECTIONS_SPARE = 16;
/** After the process ended, its last answer may still be on its way. */
const LAST_ANSWERS_MS = 200;

/** AWS Lambda's Runtime API, for each instance on a port of 127.0.0.1 of its own; ready is who asks for the first call. */
export const runtimeApiDoorway = (wallMs: () => number): Doorway => ({
  open: (room) => runtimeApiDoor(room, wallMs),
  close: () => Promise.resolve(),
});

function runtimeApiDoor(room: Room, wallMs: () => number): Door {
  const calls = runtimeCalls(room.spec.concurrency, wallMs);
  const pid = Promise.withResolvers<number>();
  let isReady = false;
  let isClosed = false;

  const next = (response: ServerResponse): void => {
    if (!isReady) room.onReady();
    isReady = true;
    const poll = { deliver: (call: RuntimeCall) => handOut(call, response, calls.giveBack) };
    response.once("close", () => calls.endPoll(poll));
    if (!calls.poll(poll)) refuse(response, REFUSALS.tooManyPolls);
  };
  const initError = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (isReady) return refuse(response, REFUSALS.initIsOver);
    const error = await takeInitError(request, response);
    if (error !== undefined) room.onInitError(error);
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = readRuntimeRequest(request.method ?? "", request.url ?? "");
    switch (asked.kind) {
      case "next":
        return next(response);
      case "response":
        return takeResponse(calls.answer(asked.callName), request, response);
      case "error":
        return takeError(calls.answer(asked.callName), request, response);
      case "init-error":
        return initError(request, response);
      case "unknown":
        return refuse(response, REFUSALS.notFound);
    }
  };
  const address = room.cell?.loopbackAddress ?? SHARED_ADDRESS;
  const connectionsMax = room.spec.concurrency + CONNECTIONS_SPARE;
  const listener = listenForOwn(pid.promise, address, connectionsMax, serve);

  return {
    settings: listener.address.then((address) => ({
      environment: { AWS_LAMBDA_RUNTIME_API: address },
    })),
    awaited: "the runtime did not ask for its first call in time",
    onProcess: pid.resolve,
    requestIdOfOutput: calls.requestIdOfOutput,
    invoke: (header, input) => {
      if (!isReady || isClosed || input.kind !== "event") return notBegun();
      return {
        outcome: calls.begin(header, input.json),
        // The Runtime API has no word for it.
        cancel: () => undefined,
        // A handler cannot be stopped, and what it does later would fall into other calls.
        abandon: () => false,
      };
    },
    drained: listener.drained,
    close: (end) => {
      isClosed = true;
      calls.endAll(end);
      listener.close();
    },
  };
}

/** Serves the connections of one process and its children on a free port of the loopback address, and cuts any other. */
function listenForOwn(
  pid: Promise<number>,
  loopbackAddress: string,
  connectionsMax: number,
  serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
) {
  const sockets = new Map<Socket, Promise<boolean>>();
  const drainings = new Set<() => void>();
  const server = createServer(
    // A runtime asks and waits, and answers on the same connection when its handler is done, however long that takes.
    { keepAliveTimeout: 0, requestTimeout: 0, maxHeaderSize: HEADER_BYTES_MAX },
    (request, response) => {
      response.on("error", () => undefined);
      const { socket } = request;
      const served = sockets
        .get(socket)
        ?.then((isOwn) => (isOwn ? serve(request, response) : void socket.destroy()));
      served?.catch(() => socket.destroy());
    },
  );
  server.maxConnections = connectionsMax;
  server.on("connection", (socket) => {
    sockets.set(socket, isOwnSocket(pid, socket));
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) for (const tell of drainings) tell();
    });
  });
  server.listen(0, loopbackAddress);
  return {
    address: once(server, "listening").then(() => {
      // Listening on a port of IP, so it has one.
      const { port } = server.address() as AddressInfo;
      return `${loopbackAddress}:${port}`;
    }),
    drained: async (): Promise<void> => {
      if (sockets.size === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      drainings.add(resolve);
      const timer = setTimeout(resolve, LAST_ANSWERS_MS);
      await promise;
      clearTimeout(timer);
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function isOwnSocket(
  pid: Promise<number>,
  { localAddress = SHARED_ADDRESS, localPort, remotePort }: Socket,
): Promise<boolean> {
  if (localPort === undefined || remotePort === undefined) return false;
  return isOwnConnection(await pid, { localAddress, localPort, remotePort });
}
