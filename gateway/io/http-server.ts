import type { Server, Socket } from "node:net";
import { Server as NetServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type ConnectionCount, createConnectionCount } from "../core/connections-per-address.ts";
import type { Network } from "../core/network-address.ts";
import type { DoorOptions } from "./door.ts";
import { type HttpListener, httpListener } from "./http-listener.ts";
import { type Http2Door, http2Door } from "./http2-door.ts";
import { listen, listenShared, portOf, stopListening } from "./listen.ts";
import { reloadingTlsServer, type TlsFiles } from "./tls-server.ts";

export interface HttpServerOptions extends Omit<DoorOptions, "isDraining"> {
  readonly host: string;
  /** This zone's gateways alone; 0: any free port. */
  readonly publicPort: number;
  readonly sharesPublicPort: boolean;
  /** Shared with the other gateways of the machine, as anycast shares an address; 0: none. */
  readonly sharedPort: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly trustedProxies: readonly Network[];
  /** One was closed because its address has too many. */
  readonly onConnectionRefused: () => void;
  readonly tls?: TlsFiles & { readonly port: number };
}

export interface HttpServer {
  readonly publicUrl: string;
  /** HTTPS, where there is a certificate. */
  readonly secureUrl: string | undefined;
  /** Takes no new connections, finishes what runs for up to `drainMs`, then cuts what is left. */
  readonly drain: (limits: DrainLimits) => Promise<void>;
}

export interface DrainLimits {
  /** How long idle connections are kept for the request that may be on its way already. */
  readonly lingerMs: number;
  readonly drainMs: number;
}

/** Connections that became idle later are looked for so often. */
const IDLE_LOOK_MS = 250;

/** Opens the doors: HTTP/1 and HTTP/2 on each port, over TLS where there is a certificate. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, log, tls, limits } = options;
  let draining: Promise<void> | undefined;
  const isDraining = (): boolean => draining !== undefined;
  const doorOptions = { ...options, isDraining };
  const http2 = http2Door(doorOptions);
  const listeners: HttpListener[] = [];
  const connections = createConnectionCount(
    options.connectionsPerAddressMax,
    options.trustedProxies,
  );
  const doors: Doors = { http2, listeners, servers: [], sockets: new Set() };
  const openPlain = (): HttpListener => {
    const listener = httpListener(doorOptions, http2);
    listeners.push(listener);
    return listener;
  };

  await using opened = new AsyncDisposableStack();
  const keep = <T extends Server>(server: T): T => {
    server.maxConnections = options.connectionsMax;
    limitConnections(server, connections, options.onConnectionRefused);
    keepSockets(server, doors.sockets);
    doors.servers.push(server);
    opened.defer(() => void NetServer.prototype.close.call(server));
    return server;
  };
  const own = { host, reusePort: options.sharesPublicPort };
  const main = openPlain();
  await listen(keep(main.server), { ...own, port: options.publicPort });
  if (options.sharedPort !== 0) {
    const { server } = openPlain();
    if (await listenShared(server, { host, port: options.sharedPort }, log)) keep(server);
  }
  const secure =
    tls === undefined
      ? undefined
      : await reloadingTlsServer({
          ...tls,
          log,
          handshakeTimeoutMs: limits.headersTimeoutMs,
          accept: main.accept,
        });
  if (tls !== undefined && secure !== undefined) {
    opened.defer(secure.close);
    await listen(keep(secure.server), { ...own, port: tls.port });
  }

  opened.move();
  return {
    publicUrl: `http://${host}:${portOf(main.server)}`,
    secureUrl: secure === undefined ? undefined : `https://${host}:${portOf(secure.server)}`,
    drain: async (drainLimits) => {
      secure?.close();
      draining ??= drainDoors(doors, drainLimits, log);
      await draining;
    },
  };
}

interface Doors {
  readonly http2: Http2Door;
  readonly listeners: readonly HttpListener[];
  readonly servers: Server[];
  readonly sockets: Set<Socket>;
}

/** Before anybody else hears of it. */
function limitConnections(server: Server, count: ConnectionCount, onRefused: () => void): void {
  server.prependListener("connection", (socket: Socket) => {
    const leave = count.enter(socket.remoteAddress ?? "");
    if (leave !== undefined) return void socket.once("close", leave);
    onRefused();
    socket.destroy();
  });
}

function keepSockets(server: Server, sockets: Set<Socket>): void {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
}

async function drainDoors(
  { http2, listeners, servers, sockets }: Doors,
  { lingerMs, drainMs }: DrainLimits,
  log: DoorOptions["log"],
): Promise<void> {
  const limit = setTimeout(() => {
    const connections = sockets.size;
    if (connections > 0) log.warn({ connections, drainMs }, "what has not ended by now is cut");
    for (const socket of sockets) socket.destroy();
  }, drainMs);
  const closed = Promise.all(servers.map(stopListening));
  http2.announceEnd();
  await Promise.race([closed, delay(Math.min(lingerMs, drainMs))]);
  http2.close();
  const closeIdle = (): void => {
    for (const listener of listeners) listener.closeIdle();
  };
  closeIdle();
  const idle = setInterval(closeIdle, IDLE_LOOK_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(limit);
}
