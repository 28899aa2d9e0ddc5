import { type Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { ErrorPayload, InvokeHeader } from "#lib/contracts/instance-frames.ts";
import type { InstanceEnd } from "../core/function-error.ts";
import type { SaidHead } from "../core/read-answer.ts";
import type { CallEnd, InstanceRequest, StreamEnd } from "./driver.ts";
import { requestHeaders } from "./request-headers.ts";

/** An answer that says it is no longer is taken whole: it can be kept and repeated as a handler's can. */
const WHOLE_BYTES_MAX = 64 * 1024;
const HEAD_BYTES_MAX = 64 * 1024;
/** A connection that breaks may be the first that is seen of the instance's end, which says more. */
const CAUSE_LIMIT_MS = 250;
/** A server may close a connection just as it is used again. What only reads may fail for that; all else has a fresh one. */
const MAY_REUSE = /^(?:GET|HEAD|OPTIONS)$/;

export interface HttpCall {
  readonly outcome: Promise<CallEnd>;
  /** Whether something may still come from the instance. */
  readonly isOpen: () => boolean;
  /** Nobody wants it any more: its connection is cut. */
  readonly breakOff: () => void;
  readonly onInstanceEnd: (end: InstanceEnd) => void;
}

export interface HttpCallPorts {
  /** Keeps connections for further calls. */
  readonly agent: Agent;
  /** The server begins to answer. */
  readonly onHeard: () => void;
  readonly endOfInstance: () => InstanceEnd | undefined;
  readonly onOver: () => void;
}

/** One request to an instance that is a server. */
export function startHttpCall(
  port: number,
  header: InvokeHeader,
  asked: InstanceRequest,
  ports: HttpCallPorts,
): HttpCall {
  const outcome = Promise.withResolvers<CallEnd>();
  const ending = callEnding(ports);
  // Where an answer has begun its outcome is known already, or about to be, and this says nothing.
  void ending.over.then((end) => {
    if (end.kind !== "whole") outcome.resolve(end);
  });

  const begin = (incoming: IncomingMessage, body: Readable): void => {
    ports.onHeard();
    const head = headOf(incoming);
    followBody(body, ending);
    if (body === incoming && isShort(incoming, asked.method))
      return void buffer(incoming).then(
        (bytes) => outcome.resolve({ kind: "answer", head, body: bytes }),
        () => undefined,
      );
    const trailers = () => trailersOf(incoming);
    const answer = { head, body, isUpgraded: body !== incoming, trailers, over: ending.over };
    outcome.resolve({ kind: "stream", answer });
  };

  let outgoing: ClientRequest;
  try {
    outgoing = request({
      host: "127.0.0.1",
      port,
      method: asked.method,
      path: asked.target,
      headers: requestHeaders(header, asked),
      agent: MAY_REUSE.test(asked.method) && asked.upgrade === undefined ? ports.agent : false,
      maxHeaderSize: HEAD_BYTES_MAX,
    });
  } catch (error) {
    ending.finish({ kind: "error", error: failure("Runtime.InvalidRequest", error) });
    return { outcome: outcome.promise, isOpen: () => false, breakOff: noop, onInstanceEnd: noop };
  }
  outgoing.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNREFUSED") outcome.resolve({ kind: "not-begun" });
    ending.onBroken(failure(typeOf(error), error));
  });
  outgoing.once("response", (incoming) => {
    if (incoming.statusCode !== 101) return begin(incoming, incoming);
    outgoing.destroy();
    ports.onHeard();
    ending.onBroken(failure("Runtime.InvalidAnswer", unnamed));
  });
  outgoing.once("upgrade", (incoming, socket, first: Buffer) => {
    if (asked.upgrade === undefined) {
      socket.destroy();
      ports.onHeard();
      return ending.onBroken(failure("Runtime.InvalidAnswer", unasked));
    }
    if (first.length > 0) socket.unshift(first);
    begin(incoming, socket);
    sendRaw(asked, socket);
  });
  sendBody(asked, outgoing);

  return {
    outcome: outcome.promise,
    isOpen: ending.isOpen,
    breakOff: () => {
      ending.leave();
      outgoing.destroy();
    },
    onInstanceEnd: (end) => {
      if (ending.onInstanceEnd(end)) outgoing.destroy();
    },
  };
}

const noop = (): void => undefined;

/** How the call ends; the first word counts, but a broken connection waits a little for its cause. */
function callEnding({ endOfInstance, onOver }: HttpCallPorts) {
  const over = Promise.withResolvers<StreamEnd>();
  let state: "waits" | "answers" | "broken" | "over" = "waits";
  let isLeft = false;
  let causeTimer: NodeJS.Timeout | undefined;

  const finish = (end: StreamEnd): void => {
    if (state === "over") return;
    state = "over";
    clearTimeout(causeTimer);
    over.resolve(end);
    onOver();
  };
  return {
    over: over.promise,
    finish,
    isOpen: () => state === "waits" || state === "answers",
    begin: () => {
      if (state === "waits") state = "answers";
    },
    leave: () => {
      isLeft = true;
    },
    isLeft: () => isLeft,
    onBroken: (error: ErrorPayload): void => {
      if (state === "broken" || state === "over") return;
      state = "broken";
      const end = endOfInstance();
      if (isLeft) finish({ kind: "left" });
      else if (end !== undefined) finish({ kind: "ended", end });
      else causeTimer = setTimeout(() => finish({ kind: "error", error }), CAUSE_LIMIT_MS);
    },
    /** Whether the call is over by it; of an answer that has begun, the rest may still be read. */
    onInstanceEnd: (end: InstanceEnd): boolean => {
      if (state === "answers") return false;
      finish({ kind: "ended", end });
      return true;
    },
  };
}

function followBody(body: Readable, ending: ReturnType<typeof callEnding>): void {
  ending.begin();
  body.on("error", (error) => ending.onBroken(failure("Runtime.AnswerBrokeOff", error)));
  body.once("end", () => ending.finish({ kind: "whole" }));
  body.once("close", () => {
    // Whoever read it has left it; a body that failed has said so before.
    if (ending.isOpen()) ending.finish({ kind: "left" });
  });
}

/** Trailers come only with a body that is streamed. */
function sendBody({ body, upgrade }: InstanceRequest, outgoing: ClientRequest): void {
  if (Buffer.isBuffer(body)) return void outgoing.end(body);
  if (upgrade !== undefined) return void outgoing.end();
  pipeline(body.stream, outgoing, { end: false }).then(
    () => {
      const trailers = body.trailers();
      if (Object.keys(trailers).length > 0) outgoing.addTrailers(trailers);
      outgoing.end();
    },
    () => outgoing.destroy(),
  );
}

/** What the caller says after the `101`. */
function sendRaw({ body }: InstanceRequest, socket: Duplex): void {
  if (Buffer.isBuffer(body)) return;
  pipeline(body.stream, socket).catch(() => socket.destroy());
}

/** In the words of function URLs, less what the server said of its own connection. */
function headOf({ statusCode, headers }: IncomingMessage): SaidHead {
  const { connection, "set-cookie": cookies, ...others } = headers;
  const nominated = (connection ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  const kept = Object.entries(others).filter(([name]) => !nominated.includes(name));
  return { statusCode, headers: Object.fromEntries(kept), cookies };
}

function isShort({ headers, statusCode }: IncomingMessage, method: string): boolean {
  if (method === "HEAD" || statusCode === 204 || statusCode === 304) return true;
  const declared = headers["content-length"];
  return declared !== undefined && Number(declared) <= WHOLE_BYTES_MAX;
}

const trailersOf = ({ trailers }: IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(trailers).map(([name, value]) => [name, value ?? ""]));

/** `HPE_…`: what llhttp says of bytes that are no answer. */
const typeOf = ({ code }: NodeJS.ErrnoException): string =>
  code?.startsWith("HPE_") === true ? "Runtime.InvalidAnswer" : "Runtime.ConnectionClosed";

const failure = (errorType: string, cause: unknown): ErrorPayload => ({
  errorType,
  errorMessage: `The server did not answer: ${cause instanceof Error ? cause.message : String(cause)}`,
});

const unasked = "it changed the protocol, unasked";
const unnamed = "it changed the protocol and did not say to which";
