import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import type { FunctionAnswer } from "../core/read-answer.ts";
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

export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: FunctionAnswer,
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    ...headers,
    // Neither of these may announce a length.
    ...(status === 204 || status === 304 ? {} : { "content-length": body.length }),
    // A body that was not read to its end cannot be followed by another request.
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(body);
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
