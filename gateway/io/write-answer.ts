import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import {
  constants,
  type OutgoingHttpHeaders as Http2Headers,
  type ServerHttp2Stream,
} from "node:http2";
import { Readable } from "node:stream";
import type { BodyCount } from "../core/body-count.ts";
import { withoutHopHeaders } from "../core/hop-headers.ts";
import type { Answer } from "../ports.ts";
import { sendBody, type SendOptions } from "./send-body.ts";

export type WriteOptions = Omit<SendOptions, "cut" | "beforeEnd" | "bodyCount">;

/** An answer on its way out, and what is known of it there. */
export interface LeavingAnswer {
  readonly answer: Answer;
  readonly bodyCount: BodyCount;
  /** The connection ends with it. */
  readonly isLast: boolean;
}

/** Sends an answer over HTTP/1. */
export function writeAnswer(
  response: ServerResponse,
  { answer, bodyCount, isLast }: LeavingAnswer,
  options: WriteOptions,
): void {
  const { status, body } = answer;
  if (response.destroyed || response.writableEnded) return dropBody(body);
  const headers: OutgoingHttpHeaders = headersOf(answer);
  if (isLast) headers["connection"] = "close";
  if (!isChunked(response, answer)) delete headers["trailer"];
  response.writeHead(status, headers);
  if (response.req.method === "HEAD" || isBodiless(status)) {
    response.end();
    return dropBody(body);
  }
  const send = (): void => {
    // An answer that has only begun, as of events that are yet to come, is told of at once.
    if (body instanceof Readable && body.readableLength === 0) response.flushHeaders();
    const beforeEnd = (): void => addTrailers(response, answer);
    const cut = (): void => cutOff(response);
    void sendBody(response, body, { ...options, bodyCount, cut, beforeEnd });
  };
  // A pipelined answer waits for those before it; that time is not the caller's.
  if (response.socket === null) response.once("socket", send).once("close", () => dropBody(body));
  else send();
}

/** Whether its end is told by a chunk, behind which there may be trailers. */
const isChunked = ({ req }: ServerResponse, { headers, body }: Answer): boolean =>
  body instanceof Readable &&
  req.method !== "HEAD" &&
  req.httpVersionMinor > 0 &&
  headers["content-length"] === undefined;

function addTrailers(response: ServerResponse, answer: Answer): void {
  const trailers = answer.trailers?.() ?? {};
  if (isChunked(response, answer) && Object.keys(trailers).length > 0)
    response.addTrailers(trailers);
}

/** Nobody may take a part for the whole: where no length and no last chunk would tell, as in HTTP/1.0, a reset does. */
function cutOff(response: ServerResponse): void {
  if (response.req.httpVersionMinor === 0) response.socket?.resetAndDestroy();
  response.destroy();
}

/** Sends an answer over HTTP/2, where the connection goes on whatever becomes of it. */
export function writeHttp2Answer(
  stream: ServerHttp2Stream,
  { answer, bodyCount, isHead }: Omit<LeavingAnswer, "isLast"> & { readonly isHead: boolean },
  options: WriteOptions,
): void {
  const { status, body } = answer;
  if (stream.destroyed || stream.closed) return dropBody(body);
  const headers: Http2Headers = headersOf({
    ...answer,
    headers: withoutHopHeaders(answer.headers),
  });
  const hasNoBody = isHead || isBodiless(status);
  const { trailers } = answer;
  const waitForTrailers = trailers !== undefined && !hasNoBody;
  // An answer may come before its request has ended; the rest of that is not waited for.
  const end = (): void => stream.close(constants.NGHTTP2_NO_ERROR);
  if (waitForTrailers)
    stream.once("wantTrailers", () => {
      stream.sendTrailers(trailers());
      if (!stream.readableEnded) setImmediate(end);
    });
  else stream.once("finish", end);
  stream.respond({ ":status": status, ...headers }, { endStream: hasNoBody, waitForTrailers });
  if (hasNoBody) return dropBody(body);
  const cut = (): void => stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  void sendBody(stream, body, { ...options, bodyCount, cut });
}

export function headersOf({ status, headers, body }: Answer): Record<string, string | string[]> {
  const written: Record<string, string | string[]> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) written[name] = typeof value === "string" ? value : [...value];
  }
  if (!(body instanceof Readable) && !isBodiless(status))
    written["content-length"] ??= String(Buffer.byteLength(body));
  return written;
}

export const isBodiless = (status: number): boolean => status === 204 || status === 304;

/** One that is not read to its end fails by that, and a failure that nobody hears would end the gateway. */
export function dropBody(body: Answer["body"]): void {
  if (body instanceof Readable) body.on("error", () => undefined).destroy();
}
