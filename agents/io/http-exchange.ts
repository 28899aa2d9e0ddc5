import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import type { ServedAnswer } from "../core/read-answer.ts";
import { bodyBrokeOff, bodyTooLarge } from "./body-limits.ts";
import { type Exchange, startsAtOnce } from "./exchange.ts";

const READ_AWAY_MS = 1_000;

/** A `POST /invoke`: it starts as soon as it has a slot. */
export function httpExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const callerGone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) callerGone.abort();
  });
  return {
    headers: request.headers,
    readBody: () => readBody(request),
    callerGone: callerGone.signal,
    leave: startsAtOnce,
  };
}

/** Resolves when it is sent, or cannot be; one that breaks off cuts the connection. */
export async function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  answer: ServedAnswer,
): Promise<void> {
  if (response.destroyed || response.headersSent) {
    if ("stream" in answer) answer.stream.destroy();
    return;
  }
  const { status, headers } = answer;
  // A body that was not read to its end cannot be followed by another request.
  const connection = request.complete ? {} : { connection: "close" };
  if ("stream" in answer) {
    response.writeHead(status, { ...headers, ...connection });
    await pipeline(answer.stream, response, { end: false }).catch(() => response.destroy());
    if (response.destroyed) return;
    response.addTrailers(answer.trailers());
    response.end();
    return;
  }
  response.writeHead(status, {
    ...headers,
    // Neither of these may announce a length.
    ...(status === 204 || status === 304 ? {} : { "content-length": answer.body.length }),
    ...connection,
  });
  response.end(answer.body);
}

/** A refusal sent while its caller still sends would be lost with the connection; there is a limit to that patience. */
export async function readAway(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  request.resume();
  const patience = AbortSignal.timeout(READ_AWAY_MS);
  await once(request, "close", { signal: patience }).catch(() => undefined);
}

/** Over the limit the rest is read and thrown away: a broken connection would hide the answer. */
function readBody(request: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) reject(bodyTooLarge());
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) return chunks.push(chunk);
    chunks.length = 0;
    return reject(bodyTooLarge());
  });
  request.once("end", () => resolve(Buffer.concat(chunks)));
  request.once("close", () => reject(bodyBrokeOff()));
  return promise;
}
