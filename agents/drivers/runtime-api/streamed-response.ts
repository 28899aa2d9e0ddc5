import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { parseJson } from "#lib/frames.ts";
import type { BreakOff, StreamEnd, StreamingAnswer } from "../driver.ts";
import { readTrailerError } from "./runtime-errors.ts";

/** A head as JSON, eight zero bytes, then the body. */
const WITH_HEAD = "application/vnd.awslambda.http-integration-response";
const HEAD_END = Buffer.alloc(8);
const HEAD_BYTES_MAX = 65_536;

export const isStreamed = ({ headers }: IncomingMessage): boolean =>
  headers["lambda-runtime-function-response-mode"] === "streaming" ||
  headers["content-type"] === WITH_HEAD;

export type StreamedResponse =
  | {
      readonly kind: "stream";
      readonly answer: StreamingAnswer;
      readonly breakOff: (by: BreakOff) => void;
    }
  | { readonly kind: "no-head"; readonly error: ErrorPayload };

type Chunks = AsyncIterator<Buffer> & AsyncIterable<Buffer>;

/** Resolves once the answer's head is known. What nobody takes is read to its end all the same, so that the runtime goes on. */
export async function readStream(request: IncomingMessage): Promise<StreamedResponse> {
  const chunks: Chunks = request.iterator({ destroyOnReturn: false });
  const opening = await readOpening(request, chunks).catch(() => undefined);
  if (opening === undefined) {
    request.resume();
    return { kind: "no-head", error: headMissing };
  }
  const over = Promise.withResolvers<StreamEnd>();
  const body = new PassThrough();
  // Whoever reads it is told of the end by the stream itself, and nobody may be reading it.
  body.on("error", () => undefined);
  const finish = (end: StreamEnd): void => {
    over.resolve(end);
    if (end.kind === "whole") body.end();
    else body.destroy(new Error("the function's answer broke off"));
  };
  void pump(request, chunks, opening.rest, body).then(finish);
  const answer = { head: opening.head, body, trailers: () => ({}), over: over.promise };
  return { kind: "stream", answer, breakOff: finish };
}

interface Opening {
  readonly head: StreamingAnswer["head"];
  readonly rest: Buffer;
}

/** Undefined where there is no head that can be read. */
async function readOpening(request: IncomingMessage, chunks: Chunks): Promise<Opening | undefined> {
  const contentType = request.headers["content-type"] ?? "application/octet-stream";
  if (contentType !== WITH_HEAD)
    return { head: { headers: { "content-type": contentType } }, rest: Buffer.alloc(0) };
  let bytes = Buffer.alloc(0);
  for (;;) {
    const at = bytes.indexOf(HEAD_END);
    if (at >= 0) {
      const head = parseJson(bytes.subarray(0, at));
      if (typeof head !== "object" || head === null) return undefined;
      return { head, rest: bytes.subarray(at + HEAD_END.length) };
    }
    const { done, value } = await chunks.next();
    if (done === true || bytes.length > HEAD_BYTES_MAX) return undefined;
    bytes = Buffer.concat([bytes, value]);
  }
}

async function pump(
  request: IncomingMessage,
  chunks: Chunks,
  rest: Buffer,
  body: PassThrough,
): Promise<StreamEnd> {
  try {
    await put(body, rest);
    for await (const chunk of chunks) await put(body, chunk);
  } catch {
    return { kind: "error", error: brokeOff };
  }
  if (!request.complete) return { kind: "error", error: brokeOff };
  const error = readTrailerError(request.trailers);
  if (error !== undefined) return { kind: "error", error };
  return { kind: body.destroyed ? "left" : "whole" };
}

async function put(body: PassThrough, chunk: Buffer): Promise<void> {
  if (chunk.length === 0 || body.destroyed || body.write(chunk)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  body.once("drain", resolve).once("close", resolve);
  await promise;
  body.off("drain", resolve).off("close", resolve);
}

const headMissing: ErrorPayload = {
  errorType: "Runtime.InvalidStreamHead",
  errorMessage: `A streamed answer of type ${WITH_HEAD} begins with a JSON object and eight zero bytes.`,
};

const brokeOff: ErrorPayload = {
  errorType: "Runtime.TruncatedResponse",
  errorMessage: "The runtime broke its answer off.",
};
