import { type Server, Server as NetServer, type Socket } from "node:net";
import type { DoorOptions } from "./door.ts";
import { type HttpListener, httpListener } from "./http-listener.ts";
import { type Http2Door, http2Door } from "./http2-door.ts";
import { listen, listenShared, portOf } from "./listen.ts";
import { reloadingTlsServer, type TlsFiles } from "./tls-server.ts";

export interface HttpServerOptions extends Omit<DoorOptions, "isDraining"> {
  readonly host: string;
  /** This gateway alone; 0: any free port. */
  readonly publicPort: number;
  /** Shared with the other gateways of the machine, as anycast shares an address; 0: none. */
  readonly sharedPort: number;
  readonly connectionsMax: number;
  readonly tls?: TlsFiles & { readonly port: number };
}

export interface HttpServer {
  readonly publicUrl: string;
  /** HTTPS, where there is a certificate. */
  readonly secureUrl: string | undefined;
  /** Takes no new connections, finishes what runs for up to `limitMs`, then cuts what is left. */
  readonly drain: (limitMs: number) => Promise<void>;
}

/** Time for idle connections to send the request that may be on its way already. */
const IDLE_GRACE_MS = 250;

/** Opens the doors: HTTP/1 and HTTP/2 on each port, over TLS where there is a certificate. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, log, tls, limits } = options;
  let draining: Promise<void> | undefined;
  const isDraining = (): boolean => draining !== undefined;
  const doorOptions = { ...options, isDraining };
  const http2 = http2Door(doorOptions);
  const listeners: HttpListener[] = [];
  const doors: Doors = { http2, listeners, servers: [], sockets: new Set() };
  const openPlain = (): HttpListener => {
    const listener = httpListener(doorOptions, http2);
    listeners.push(listener);
    return listener;
  };

  await using opened = new AsyncDisposableStack();
  const keep = <T extends Server>(server: T): T => {
    server.maxConnections = options.connectionsMax;
    keepSockets(server, doors.sockets);
    doors.servers.push(server);
    opened.defer(() => void NetServer.prototype.close.call(server));
    return server;
  };
  const main = openPlain();
  await listen(keep(main.server), { host, port: options.publicPort });
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
    await listen(keep(secure.server), { host, port: tls.port });
  }

  opened.move();
  return {
    publicUrl: `http://${host}:${portOf(main.server)}`,
    secureUrl: secure === undefined ? undefined : `https://${host}:${portOf(secure.server)}`,
    drain: async (limitMs) => {
      secure?.close();
      draining ??= drainDoors(doors, limitMs);
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

function keepSockets(server: Server, sockets: Set<Socket>): void {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
}

async function drainDoors(
  { http2, listeners, servers, sockets }: Doors,
  limitMs: number,
): Promise<void> {
  // `http.Server.close` resets idle connections at once, under requests that are on their way; this only stops listening.
  const closed = servers.map(
    (server) =>
      new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve())),
  );
  http2.close();
  const idle = setInterval(() => {
    for (const listener of listeners) listener.closeIdle();
  }, IDLE_GRACE_MS);
  const limit = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, limitMs);
  await Promise.all(closed);
  clearInterval(idle);
  clearTimeout(limit);
}
