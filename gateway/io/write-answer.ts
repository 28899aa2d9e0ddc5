import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import {
  constants,
  type OutgoingHttpHeaders as Http2Headers,
  type ServerHttp2Stream,
} from "node:http2";
import { Readable } from "node:stream";
import { withoutHopHeaders } from "../core/hop-headers.ts";
import type { Answer } from "../ports.ts";
import { sendBody, type SendOptions } from "./send-body.ts";

export type WriteOptions = Omit<SendOptions, "cut">;

/** Sends an answer over HTTP/1; `isLast` ends the connection with it. */
export function writeAnswer(
  response: ServerResponse,
  answer: Answer,
  isLast: boolean,
  options: WriteOptions,
): void {
  const { status, body } = answer;
  if (response.destroyed || response.writableEnded) return dropBody(body);
  const headers: OutgoingHttpHeaders = headersOf(answer);
  if (isLast) headers["connection"] = "close";
  response.writeHead(status, headers);
  const send = (): void => {
    void sendBody(response, body, { ...options, cut: () => response.destroy() });
  };
  // A pipelined answer waits for those before it; that time is not the caller's.
  if (response.socket === null) response.once("socket", send).once("close", () => dropBody(body));
  else send();
}

/** Sends an answer over HTTP/2, where the connection goes on whatever becomes of it. */
export function writeHttp2Answer(
  stream: ServerHttp2Stream,
  answer: Answer,
  isHead: boolean,
  options: WriteOptions,
): void {
  const { status, body } = answer;
  if (stream.destroyed || stream.closed) return dropBody(body);
  const headers: Http2Headers = headersOf({
    ...answer,
    headers: withoutHopHeaders(answer.headers),
  });
  const hasNoBody = isHead || isBodiless(status);
  stream.respond({ ":status": status, ...headers }, { endStream: hasNoBody });
  if (hasNoBody) return dropBody(body);
  const cut = (): void => stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  void sendBody(stream, body, { ...options, cut });
}

function headersOf({ status, headers, body }: Answer): Record<string, string | string[]> {
  const written: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers))
    written[name] = typeof value === "string" ? value : [...value];
  if (!(body instanceof Readable) && !isBodiless(status))
    written["content-length"] ??= String(Buffer.byteLength(body));
  return written;
}

const isBodiless = (status: number): boolean => status === 204 || status === 304;

function dropBody(body: Answer["body"]): void {
  if (body instanceof Readable) body.destroy();
}
