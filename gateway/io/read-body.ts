import type { IncomingMessage } from "node:http";
import { MeridianError } from "#lib/errors.ts";

/** What is left of an unwanted body is read and dropped, up to this much, so that the caller gets to read its answer. */
const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;
const NOTHING = new Uint8Array();

/** The whole body; MERIDIAN_BODY_TOO_LARGE as soon as it is known to be longer than `bytesMax`. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > bytesMax) throw tooLarge(bytesMax);
  if (declared === 0 && request.headers["transfer-encoding"] === undefined) return NOTHING;

  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of streamBody(request)) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks);
}

/** Leaves the connection open when the reader stops early: the answer still has to go out on it. */
export async function* streamBody(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const part: unknown = chunk;
      if (part instanceof Uint8Array) yield part;
    }
  } catch (cause) {
    throw new MeridianError("MERIDIAN_BAD_REQUEST", "The request's body broke off.", { cause });
  }
}

/** After the answer: lets the rest of the body pass, so that the connection can be used again. */
export function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  request.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > DISCARDED_BYTES_MAX) request.destroy();
  });
}

const tooLarge = (bytesMax: number): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `A call's body may have at most ${bytesMax} bytes; store larger things elsewhere and send where they are.`,
  );
