import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  validateHeaderName,
  validateHeaderValue,
} from "node:http";
import type { Socket } from "node:net";
import { noBytes } from "../core/body-count.ts";
import { inspectHeaders } from "../core/inspect-headers.ts";
import { keyAmongProtocols } from "../core/websocket-credentials.ts";
import type { Answer, Arrival } from "../ports.ts";
import type { DoorOptions } from "./door.ts";
import { incomingBody } from "./read-body.ts";
import { endSlowly } from "./refuse-raw.ts";
import { responseOnSocket } from "./response-on-socket.ts";
import { sendBody } from "./send-body.ts";
import { headersOf, type LeavingAnswer, writeAnswer } from "./write-answer.ts";

/** Said again in the gateway's words, or without meaning once the connection speaks another protocol. */
const NOT_IN_SWITCH = ["connection", "upgrade", "content-length", "trailer", "keep-alive"];

/**
 * A request to go over to another protocol, on a connection that Node's server has let go of. It takes the way of every other
 * request; if the function agrees, bytes go both ways from then on, and nobody here looks at them.
 */
export function answerUpgrade(
  request: IncomingMessage,
  socket: Socket,
  protocol: string,
  options: DoorOptions,
): void {
  const { handler, log } = options;
  socket.setTimeout(0);
  socket.setNoDelay(true);
  // It closes as well, which is what is listened for.
  socket.on("error", () => undefined);
  const { arrival, begin } = arrivalOf(request, socket, protocol, options);
  handler(arrival)
    .then((answer) => {
      const leaving = { answer, bodyCount: arrival.bodyCount, isLast: true };
      if (answer.status === 101) {
        begin();
        switchOver(socket, protocol, leaving, options);
      } else answerOtherwise(request, socket, leaving, options);
    })
    .catch((error: unknown) => {
      log.error({ err: error }, "an answer could not be written");
      socket.destroy();
    });
}

interface UpgradeArrival {
  readonly arrival: Arrival;
  /** From now on the caller's bytes are the function's business. */
  readonly begin: () => void;
}

function arrivalOf(
  request: IncomingMessage,
  socket: Socket,
  protocol: string,
  options: DoorOptions,
): UpgradeArrival {
  const { clock, limits, countStreamed } = options;
  const { rawHeaders, httpVersion } = request;
  const callerGone = new AbortController();
  const finished = Promise.withResolvers<void>();
  socket.once("close", () => {
    if (!socket.writableFinished) callerGone.abort();
    finished.resolve();
  });
  const letGo = watchForEnd(socket, () => callerGone.abort());
  const bodyCount = noBytes();
  const body = incomingBody(
    {
      stream: socket,
      hasBody: true,
      declaredBytes: 0,
      invite: () => undefined,
      count: (bytes) => countStreamed?.("in", bytes),
      bodyCount,
    },
    limits,
    clock,
  );
  const headers = withKeyOfBrowser(request.headers);
  return {
    arrival: {
      method: request.method ?? "GET",
      target: request.url ?? "/",
      headers,
      hasKeyOfBrowser: headers.authorization !== request.headers.authorization,
      httpVersion,
      scheme: "encrypted" in socket ? "https" : "http",
      fault: inspectHeaders(rawHeaders, httpVersion),
      hasBody: false,
      peer: socket.remoteAddress ?? "",
      receivedAtMs: clock.nowMs(),
      bodyCount,
      readBody: async () => new Uint8Array(),
      // Whoever has nothing to say in it is not slow.
      streamBody: () => body.stream(() => true),
      upgrade: protocol,
      callerGone: callerGone.signal,
      finished: finished.promise,
    },
    begin: letGo,
  };
}

/** Until it has its answer, a caller that ends its side has given up. What it may have said early stays unread. */
function watchForEnd(socket: Socket, onEnd: () => void): () => void {
  const look = (): void => {
    if (socket.readableLength === 0) socket.read();
  };
  socket.on("readable", look).once("end", onEnd);
  return () => void socket.off("readable", look).off("end", onEnd);
}

/** The key that a browser could offer among the protocols alone, where every other caller has it. */
function withKeyOfBrowser(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const found = keyAmongProtocols(headers["sec-websocket-protocol"]);
  if (found === undefined) return headers;
  const { "sec-websocket-protocol": _offered, ...others } = headers;
  return {
    ...others,
    authorization: headers.authorization ?? `Bearer ${found.key}`,
    ...(found.protocols === undefined ? {} : { "sec-websocket-protocol": found.protocols }),
  };
}

function switchOver(
  socket: Socket,
  protocol: string,
  { answer, bodyCount }: LeavingAnswer,
  options: DoorOptions,
): void {
  const cut = (): void => void socket.destroy();
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "connection: Upgrade",
    `upgrade: ${protocol}`,
    ...headerLines(answer),
  ];
  if (socket.writable) socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  void sendBody(socket, answer.body, { ...options, bodyCount, cut }).then(() => {
    // The function has ended its side. What the caller still says arrives; one that says nothing does not know, or does not mind.
    socket.setTimeout(options.limits.stallMs, cut);
  });
}

function headerLines(answer: Answer): string[] {
  return Object.entries(headersOf(answer)).flatMap(([name, values]) => {
    if (NOT_IN_SWITCH.includes(name)) return [];
    // What a function says in a header must not become another one.
    validateHeaderName(name);
    return [values].flat().map((value) => {
      validateHeaderValue(name, value);
      return `${name}: ${value}`;
    });
  });
}

/** The connection has no reader of requests any more, and ends with the answer. */
function answerOtherwise(
  request: IncomingMessage,
  socket: Socket,
  leaving: LeavingAnswer,
  options: DoorOptions,
): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const response = responseOnSocket(socket, request, () => endSlowly(socket));
  writeAnswer(response, leaving, options);
}
