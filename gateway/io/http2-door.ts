import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { noBytes } from "../core/body-count.ts";
import { calm, countIdleFrame, IDLE_FRAMES_MAX } from "../core/flood-guard.ts";
import { inspectHeaders } from "../core/inspect-headers.ts";
import type { Arrival } from "../ports.ts";
import type { DoorOptions } from "./door.ts";
import { incomingBody } from "./read-body.ts";
import { connectRefusal } from "./refuse-raw.ts";
import { writeHttp2Answer } from "./write-answer.ts";

export interface Http2Door {
  readonly accept: (socket: Socket) => void;
  /** Asks callers for no more requests; those that are on their way already are served. */
  readonly announceEnd: () => void;
  /** No new requests on what is open; what runs may end. */
  readonly close: () => void;
}

const STREAMS_MAX = 100;
const STREAM_WINDOW_BYTES = 256 * 1024;
/** What one connection may make the gateway remember, in units of 1 MB (node:http2). */
const SESSION_MEMORY_MAX = 4;
/** A little more than the pipeline permits, so that it is the one to refuse, with an answer. */
const HEADER_BYTES_MAX = 32 * 1024;
const HEADERS_MAX = 256;
/** Of no stream yet: the first of two goodbyes names it, so that nothing under way is refused (RFC 9113, 6.8). */
const LAST_STREAM_ID = 2 ** 31 - 1;
/** Until what was said last is sent. */
const FAREWELL_MS = 1_000;

/** HTTP/2 on connections that others have accepted: the same requests, limits and answers as over HTTP/1. */
export function http2Door(options: DoorOptions): Http2Door {
  const { log } = options;
  const sessions = new Set<ServerHttp2Session>();
  let isOver = false;
  const server = createServer({
    settings: {
      maxConcurrentStreams: STREAMS_MAX,
      maxHeaderListSize: HEADER_BYTES_MAX,
      initialWindowSize: STREAM_WINDOW_BYTES,
      enablePush: false,
    },
    maxHeaderListPairs: HEADERS_MAX,
    maxSessionMemory: SESSION_MEMORY_MAX,
    // Streams that are opened and reset at once (CVE-2023-44487): so many at once, and then so many a second.
    streamResetBurst: IDLE_FRAMES_MAX,
    streamResetRate: 20,
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    keepSession(session, options);
    if (isOver) session.close();
    else if (options.isDraining()) announceEnd(session);
  });
  server.on(
    "stream",
    (stream: ServerHttp2Stream, headers, _flags, rawHeaders: readonly string[]) => {
      serve(stream, headers, rawHeaders, options);
    },
  );
  server.on("sessionError", (error) => {
    log.debug({ err: error }, "an HTTP/2 connection broke off");
  });
  return {
    accept: (socket) => {
      // HTTP/1 goes on answering a caller that has said all it will say; here that is the end of every stream.
      socket.allowHalfOpen = false;
      server.emit("connection", socket);
    },
    announceEnd: () => {
      for (const session of sessions) announceEnd(session);
    },
    close: () => {
      isOver = true;
      for (const session of sessions) session.close();
    },
  };
}

function announceEnd(session: ServerHttp2Session): void {
  // One whose connection just broke is still among them, and would throw.
  if (!session.destroyed) session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID);
}

/** Ends what is idle, and what only makes work. */
function keepSession(session: ServerHttp2Session, { clock, limits }: DoorOptions): void {
  let streams = 0;
  let guard = calm(clock.nowMs());
  const onIdleFrame = (): void => {
    const counted = countIdleFrame(guard, clock.nowMs());
    if (counted === undefined) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else guard = counted;
  };
  session.on("ping", onIdleFrame);
  session.on("remoteSettings", onIdleFrame);
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams += 1;
    session.setTimeout(limits.idleTimeoutMs);
    stream.once("close", () => {
      streams -= 1;
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) onIdleFrame();
    });
  });
  // Until it has asked for something it has as long as HTTP/1 has for its headers.
  session.setTimeout(limits.headersTimeoutMs);
  session.on("timeout", () => {
    if (streams === 0) farewell(session);
  });
}

function farewell(session: ServerHttp2Session): void {
  session.close();
  const timer = setTimeout(() => session.destroy(), FAREWELL_MS);
  session.once("close", () => clearTimeout(timer));
}

function serve(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  options: DoorOptions,
): void {
  const isHead = headers[":method"] === "HEAD";
  // Told to whoever reads or writes; the stream is gone either way.
  stream.on("error", () => undefined);
  if (headers[":method"] === "CONNECT") {
    const answer = connectRefusal(options.requestIds);
    writeHttp2Answer(stream, { answer, bodyCount: noBytes(), isHead }, options);
    return;
  }
  const arrival = arrivalOf(stream, headers, rawHeaders, options);
  const { bodyCount } = arrival;
  options
    .handler(arrival)
    .then((answer) => writeHttp2Answer(stream, { answer, bodyCount, isHead }, options))
    .catch((error: unknown) => {
      options.log.error({ err: error }, "an answer could not be written");
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    });
}

function arrivalOf(
  stream: ServerHttp2Stream,
  pseudoAndOthers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  { clock, limits, countStreamed }: DoorOptions,
): Arrival {
  const callerGone = new AbortController();
  const finished = Promise.withResolvers<void>();
  stream.once("aborted", () => callerGone.abort());
  stream.once("close", () => {
    if (!stream.writableFinished) callerGone.abort();
    finished.resolve();
  });
  const headers = plainHeaders(pseudoAndOthers);
  const hasBody = !stream.endAfterHeaders;
  const declaredBytes = Number(headers["content-length"] ?? 0);
  const invite = (): void => {
    // A caller that has reset its stream already waits for nothing.
    if (headers.expect === undefined || stream.closed || stream.destroyed) return;
    stream.additionalHeaders({ ":status": 100 });
  };
  const count = (bytes: number): void => countStreamed?.("in", bytes);
  const bodyCount = noBytes();
  const source = { stream, hasBody, declaredBytes, invite, count, bodyCount };
  const body = incomingBody(source, limits, clock);
  let trailers: IncomingHttpHeaders = {};
  stream.once("trailers", (said) => (trailers = said));
  return {
    method: pseudoAndOthers[":method"] ?? "GET",
    target: pseudoAndOthers[":path"] ?? "",
    headers,
    httpVersion: "2",
    scheme: stream.session?.encrypted === true ? "https" : "http",
    fault: inspectHeaders(plainRawHeaders(rawHeaders), "2"),
    hasBody,
    peer: stream.session?.socket.remoteAddress ?? "",
    receivedAtMs: clock.nowMs(),
    bodyCount,
    readBody: body.read,
    streamBody: body.stream,
    trailers: () => trailers,
    callerGone: callerGone.signal,
    finished: finished.promise,
  };
}

/** As over HTTP/1, where the authority is the Host header. */
function plainHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const plain: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    if (!name.startsWith(":")) plain[name] = value;
  const host = headers[":authority"] ?? headers.host;
  if (host !== undefined) plain.host = host;
  return plain;
}

/** A Host header beside the authority is kept unless it says the same: two hosts are one too many. */
function plainRawHeaders(rawHeaders: readonly string[]): string[] {
  const plain: string[] = [];
  let authority: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const value = rawHeaders[index + 1] ?? "";
    if (name === ":authority") authority = value;
    const isRepeated = name === "host" && value === authority;
    if (name === ":authority") plain.push("host", value);
    else if (!name.startsWith(":") && !isRepeated) plain.push(name, value);
  }
  return plain;
}
