import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MeridianError } from "#lib/errors.ts";
import { refusalOf } from "../answers.ts";
import { noBytes } from "../core/body-count.ts";
import { TCP_KEEP_ALIVE } from "../core/door-limits.ts";
import { HEADER_BYTES_MAX, HEADERS_TOO_LONG, inspectHeaders } from "../core/inspect-headers.ts";
import { judgeUpgrade } from "../core/judge-upgrade.ts";
import type { Arrival } from "../ports.ts";
import type { DoorOptions } from "./door.ts";
import { answerHalfClosed, askWhoEnded, type DueAnswer, dueAnswer } from "./half-closed.ts";
import { type IncomingBody, incomingBody } from "./read-body.ts";
import { endSlowly, type RawDoor, refuseConnect, refuseRaw } from "./refuse-raw.ts";
import { answerUpgrade } from "./upgrade-door.ts";
import { writeAnswer } from "./write-answer.ts";

/** What is known of a connection while requests on it are under way. */
interface Connection {
  /** The requests that are not answered yet, by their responses, and how each ends. */
  readonly unanswered: Map<ServerResponse, () => void>;
  /** The newest request, whose body may still be arriving. */
  newest: { readonly request: IncomingMessage; readonly body: IncomingBody } | undefined;
  /** Nothing that comes after is served: it ends, or where a request begins cannot be told. */
  isSpoiled: boolean;
  /** What to do once every request before was answered. */
  whenAnswered: (() => void) | undefined;
}

/** Reads and drops what is left of an unwanted body, up to this much, so that the caller gets to read its answer. */
const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;
const CHECK_INTERVAL_MS = 1_000;
export const REQUESTS_PER_CONNECTION_MAX = 10_000;

/** Node's own reader, with the strictness that a gateway needs on top of it. */
export function http1Server(options: DoorOptions): Server {
  const { limits } = options;
  const server = createServer({
    ...TCP_KEEP_ALIVE,
    headersTimeout: limits.headersTimeoutMs,
    // Bodies have a pace to keep instead, so that large ones get through on slow lines.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.headersTimeoutMs),
    keepAliveTimeout: limits.idleTimeoutMs,
    maxHeaderSize: HEADER_BYTES_MAX,
    insecureHTTPParser: false,
    // Required by the pipeline, which says so in an answer that has a body.
    requireHostHeader: false,
    // What is not to be upgraded is an ordinary request; what asks for it wrongly is refused as one.
    shouldUpgradeCallback: (request: IncomingMessage) => judgeUpgrade(request).kind === "wanted",
  });
  // Counted by the pipeline, which refuses; a limit here would cut silently.
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX;
  answerHalfClosed(server);

  const connections = new WeakMap<Duplex, Connection>();
  const connectionOf = (socket: Duplex): Connection =>
    connections.get(socket) ?? openConnection(socket, connections);

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connectionOf(request.socket);
    // It came behind the request with whose answer the connection ends.
    if (connection.isSpoiled) return void request.resume();
    answer(request, response, connection, options);
  };
  server.on("request", serve);
  // The caller waits for leave to send its body: it is given when the body is wanted, and not at all for refused calls.
  server.on("checkContinue", serve);
  // Any other expectation is refused by the pipeline.
  server.on("checkExpectation", serve);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, early: Buffer) => {
    const connection = connectionOf(socket);
    const wish = judgeUpgrade(request);
    if (connection.unanswered.size > 0) {
      goOnAnswering(socket, connection);
      breakOff(socket, connection, tooEarly(), options);
    } else if (connection.isSpoiled || !(socket instanceof Socket) || wish.kind !== "wanted")
      socket.destroy();
    else {
      if (early.length > 0) socket.unshift(early);
      answerUpgrade(request, socket, wish.protocol, options);
    }
  });
  server.on("connect", (_request, socket: Duplex) => {
    const connection = connectionOf(socket);
    if (connection.unanswered.size > 0) goOnAnswering(socket, connection);
    // What came before it is answered first: its caller would take the refusal for that answer.
    spoil(connection, () => refuseConnect(socket, options));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    breakOff(socket, connectionOf(socket), parseFailure(error, options), options);
  });
  return server;
}

function openConnection(socket: Duplex, connections: WeakMap<Duplex, Connection>): Connection {
  const connection: Connection = {
    unanswered: new Map(),
    newest: undefined,
    isSpoiled: false,
    whenAnswered: undefined,
  };
  connections.set(socket, connection);
  if (socket instanceof Socket) {
    closeWithCare(socket, connection);
    socket.once("end", () => askWhoEnded(socket, () => oldestAnswer(connection)));
  }
  // Answers that wait behind others are told nothing by their connection when it closes.
  socket.once("close", () => {
    for (const end of connection.unanswered.values()) end();
  });
  return connection;
}

function oldestAnswer({ unanswered }: Connection): DueAnswer | undefined {
  const oldest = unanswered.keys().next();
  return oldest.done === true ? undefined : dueAnswer(oldest.value);
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  options: DoorOptions,
): void {
  const { handler, log, isDraining, limits } = options;
  const { arrival, body, isLast, mayFollow } = arrivalOf(request, response, connection, options);
  connection.newest = { request, body };
  connection.isSpoiled = isLast;
  handler(arrival)
    .then((answer) => {
      response.once("finish", () => discardBody(request, limits.stallMs));
      const { bodyCount } = arrival;
      writeAnswer(response, { answer, bodyCount, isLast: isDraining() || !mayFollow() }, options);
    })
    .catch((error: unknown) => {
      log.error({ err: error }, "an answer could not be written");
      response.destroy();
    });
}

/** Node resets a connection that it closes under a body still arriving, and the reset takes the answer with it. */
function closeWithCare(socket: Socket, connection: Connection): void {
  const closeNow = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    if (connection.newest?.request.complete === false) endSlowly(socket);
    else closeNow();
  };
}

/** Node has let go of the connection; the answers before that one wait to be told, as by Node, when it takes more. */
function goOnAnswering(socket: Duplex, { unanswered }: Connection): void {
  socket.on("drain", () => {
    for (const response of unanswered.keys()) if (response.socket !== null) response.emit("drain");
  });
}

interface Http1Arrival {
  readonly arrival: Arrival;
  readonly body: IncomingBody;
  /** The connection ends with its answer, whatever that is. */
  readonly isLast: boolean;
  /** Whether it is certain where the next request on the connection begins. */
  readonly mayFollow: () => boolean;
}

function arrivalOf(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  { clock, limits, countStreamed }: DoorOptions,
): Http1Arrival {
  const { headers, rawHeaders, httpVersion, socket } = request;
  const callerGone = new AbortController();
  const finished = Promise.withResolvers<void>();
  const end = (): void => {
    if (!connection.unanswered.delete(response)) return;
    if (!response.writableFinished) callerGone.abort();
    finished.resolve();
    if (connection.unanswered.size === 0) connection.whenAnswered?.();
  };
  connection.unanswered.set(response, end);
  response.once("close", end);

  const declaredBytes = Number(headers["content-length"] ?? 0);
  const hasBody = declaredBytes > 0 || headers["transfer-encoding"] !== undefined;
  const waitsForLeave = headers.expect !== undefined && httpVersion !== "1.0";
  let isUninvited = hasBody && waitsForLeave;
  const wish = judgeUpgrade(request);
  const fault =
    inspectHeaders(rawHeaders, httpVersion) ?? (wish.kind === "refused" ? wish.fault : undefined);
  // Behind an offer that is ignored Node reads nothing more of the same packet; who waits to send nothing gets no leave, and Node ends it.
  const isLast =
    fault !== undefined || headers.upgrade !== undefined || (waitsForLeave && !hasBody);
  const invite = (): void => {
    if (isUninvited) response.writeContinue();
    isUninvited = false;
  };
  const count = (bytes: number): void => countStreamed?.("in", bytes);
  const bodyCount = noBytes();
  const source = { stream: request, hasBody, declaredBytes, invite, count, bodyCount };
  const body = incomingBody(source, limits, clock);
  return {
    arrival: {
      method: request.method ?? "GET",
      target: request.url ?? "/",
      headers,
      httpVersion,
      scheme: "encrypted" in socket ? "https" : "http",
      fault,
      hasBody,
      peer: socket.remoteAddress ?? "",
      receivedAtMs: clock.nowMs(),
      bodyCount,
      readBody: body.read,
      streamBody: body.stream,
      trailers: () => request.trailers,
      callerGone: callerGone.signal,
      finished: finished.promise,
    },
    body,
    isLast,
    mayFollow: () => !isLast && !isUninvited && !body.hasFailed(),
  };
}

const tooEarly = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    "An upgrade may be asked for once every request before it was answered.",
  );

/** What came cannot be read. Answers to what came before it are still due, in order. */
function breakOff(
  socket: Duplex,
  connection: Connection,
  error: MeridianError,
  door: RawDoor,
): void {
  const { newest } = connection;
  const isInBody = newest !== undefined && !newest.request.complete;
  if (isInBody) newest.body.fail(error);
  spoil(connection, () => {
    if (isInBody) endSlowly(socket);
    else refuseRaw(socket, error, door);
  });
}

/** Of the first word that ends a connection; one that ends with an answer under way needs no other. */
function spoil(connection: Connection, lastWord: () => void): void {
  if (connection.isSpoiled) return;
  connection.isSpoiled = true;
  connection.whenAnswered = lastWord;
  if (connection.unanswered.size === 0) lastWord();
}

function parseFailure(
  { code, message }: NodeJS.ErrnoException,
  { limits }: DoorOptions,
): MeridianError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return refusalOf(HEADERS_TOO_LONG);
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new MeridianError(
        "MERIDIAN_REQUEST_TIMEOUT",
        `The headers of a request must arrive within ${limits.headersTimeoutMs} ms.`,
      );
    default:
      return new MeridianError("MERIDIAN_BAD_REQUEST", `The request is not HTTP: ${message}.`);
  }
}

/** After the answer: lets the rest of the body pass, so that the connection can be used again. */
function discardBody(request: IncomingMessage, limitMs: number): void {
  if (request.complete || request.destroyed) return;
  const cut = (): void => void request.destroy();
  const timer = setTimeout(cut, limitMs);
  let bytes = 0;
  const { socket } = request;
  // A request whose connection Node closes by itself does not always say that it is over.
  const stop = (): void => {
    clearTimeout(timer);
    request.off("close", stop);
    socket.off("close", stop);
  };
  request.once("close", stop);
  socket.once("close", stop);
  request.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > DISCARDED_BYTES_MAX) cut();
  });
}
