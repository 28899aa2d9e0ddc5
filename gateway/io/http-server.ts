import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { problemAnswer, withReceipt } from "../answers.ts";
import type { RequestIds } from "../core/request-id.ts";
import type { Handler } from "../pipeline.ts";
import type { Arrival } from "../ports.ts";
import { discardBody, readBody, streamBody } from "./read-body.ts";
import { rawAnswer } from "./raw-answer.ts";
import { writeAnswer } from "./write-answer.ts";

export interface HttpServerOptions {
  readonly host: string;
  /** This gateway alone; 0: any free port. */
  readonly publicPort: number;
  /** Shared with the other gateways of the machine, as anycast shares an address; 0: none. */
  readonly sharedPort: number;
  readonly connectionsMax: number;
  readonly handler: Handler<Arrival>;
  readonly requestIds: RequestIds;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface HttpServer {
  readonly publicUrl: string;
  /** Takes no new connections, finishes what runs for up to `limitMs`, then cuts what is left. */
  readonly drain: (limitMs: number) => Promise<void>;
}

/** Time for idle connections to send the request that may be on its way already. */
const IDLE_GRACE_MS = 250;

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const state = { isDraining: false };
  const publicServer = bareServer(options, state);
  await listen(publicServer, { host: options.host, port: options.publicPort });
  const servers = [publicServer];
  if (options.sharedPort !== 0) {
    const sharedServer = bareServer(options, state);
    try {
      if (await listenShared(sharedServer, options)) servers.push(sharedServer);
    } catch (error) {
      publicServer.close();
      throw error;
    }
  }
  const { port } = publicServer.address() as AddressInfo;
  let draining: Promise<unknown> | undefined;
  return {
    publicUrl: `http://${options.host}:${port}`,
    drain: async (limitMs) => {
      state.isDraining = true;
      draining ??= Promise.all(servers.map((server) => drainServer(server, limitMs)));
      await draining;
    },
  };
}

function bareServer(options: HttpServerOptions, state: { readonly isDraining: boolean }): Server {
  const server = createServer({
    // Slow or endless requests end here, whatever they are.
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 65_000,
    maxHeaderSize: 16 * 1024,
    insecureHTTPParser: false,
    // Required by the pipeline, which says so in an answer that has a body.
    requireHostHeader: false,
  });
  // Counted by the pipeline, which refuses; a limit here would cut silently.
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = 10_000;
  server.maxConnections = options.connectionsMax;

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    options
      .handler(arrivalOf(request, response, options.clock))
      .then((answer) => {
        response.once("finish", () => discardBody(request));
        writeAnswer(response, answer, state.isDraining);
      })
      .catch((error: unknown) => {
        options.log.error({ err: error }, "an answer could not be written");
        response.destroy();
      });
  };
  server.on("request", serve);
  // The caller waits for leave to send its body: it is given when the body is wanted, and not at all for refused calls.
  server.on("checkContinue", serve);
  // Any other expectation is refused by the pipeline.
  server.on("checkExpectation", serve);
  server.on("connect", (_request, socket: Duplex) => {
    const error = new MeridianError("MERIDIAN_METHOD_NOT_ALLOWED", "This is not a forward proxy.");
    refuseRaw(socket, error, options);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refuseRaw(socket, parseFailure(error), options);
  });
  return server;
}

function arrivalOf(request: IncomingMessage, response: ServerResponse, clock: Clock): Arrival {
  const callerGone = new AbortController();
  const finished = Promise.withResolvers<void>();
  response.once("close", () => {
    if (!response.writableFinished) callerGone.abort();
    finished.resolve();
  });
  const wantBody = (): void => {
    if (request.headers.expect !== undefined) response.writeContinue();
  };
  return {
    method: request.method ?? "GET",
    target: request.url ?? "/",
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    httpVersion: request.httpVersion,
    peer: request.socket.remoteAddress ?? "",
    receivedAtMs: clock.nowMs(),
    readBody: (bytesMax) => {
      if (Number(request.headers["content-length"] ?? 0) <= bytesMax) wantBody();
      return readBody(request, bytesMax);
    },
    streamBody: () => {
      wantBody();
      return streamBody(request);
    },
    callerGone: callerGone.signal,
    finished: finished.promise,
  };
}

/** Requests that are none never reach the pipeline; they are answered in its words. */
function refuseRaw(
  socket: Duplex,
  error: MeridianError,
  { requestIds }: Pick<HttpServerOptions, "requestIds">,
): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = requestIds(undefined);
  socket.end(rawAnswer(withReceipt(problemAnswer(error, requestId), requestId)));
}

function parseFailure({ code, message }: NodeJS.ErrnoException): MeridianError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new MeridianError(
        "MERIDIAN_HEADERS_TOO_LARGE",
        "The request line and headers may have at most 16 KiB.",
      );
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new MeridianError(
        "MERIDIAN_REQUEST_TIMEOUT",
        "The request did not arrive in time: headers within 10 s, everything within 30 s.",
      );
    default:
      return new MeridianError("MERIDIAN_BAD_REQUEST", `The request is not HTTP: ${message}.`);
  }
}

interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly reusePort?: boolean;
}

async function listen(server: Server, address: ListenAddress): Promise<void> {
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.listen(address, () => bound.resolve());
  await bound.promise;
  server.removeListener("error", bound.reject);
}

/** Where the system cannot share a port, the first gateway has it alone, and it is said. */
async function listenShared(
  server: Server,
  { host, sharedPort: port, log }: HttpServerOptions,
): Promise<boolean> {
  try {
    await listen(server, { host, port, reusePort: true });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTSUP" && code !== "EINVAL" && code !== "ENOPROTOOPT") throw error;
  }
  try {
    await listen(server, { host, port });
    log.warn({ port }, "this system cannot share a port: this gateway has it alone");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    log.warn({ port }, "this system cannot share a port: another gateway has it");
    return false;
  }
}

async function drainServer(server: Server, limitMs: number): Promise<void> {
  const closed = Promise.withResolvers<void>();
  // `http.Server.close` resets idle connections at once, under requests that are on their way; this only stops listening.
  NetServer.prototype.close.call(server, () => closed.resolve());
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_GRACE_MS);
  const limit = setTimeout(() => server.closeAllConnections(), limitMs);
  await closed.promise;
  clearInterval(idle);
  clearTimeout(limit);
}
