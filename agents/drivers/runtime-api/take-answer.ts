import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import { parseJson } from "#lib/frames.ts";
import { REFUSALS } from "../../core/runtime-request.ts";
import { accept, refuse } from "./answer-runtime.ts";
import { readBounded } from "./read-bounded.ts";
import type { RuntimeAnswer } from "./runtime-calls.ts";
import { readRuntimeError, readTrailerError } from "./runtime-errors.ts";
import { isStreamed, readStream } from "./streamed-response.ts";

const ERROR_BYTES_MAX = 262_144;
/** An answer that is no JSON is told apart from JSON; above this its first character decides. */
const CHECKED_BYTES_MAX = 262_144;

/** `answer` is undefined where the runtime has no call of that name, or has answered it. */
export async function takeResponse(
  answer: RuntimeAnswer | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (answer === undefined) return refuse(response, REFUSALS.invalidRequestId);
  if (isStreamed(request)) return takeStream(answer, request, response);
  const body = await readBounded(request, BODY_BYTES_MAX);
  switch (body.kind) {
    case "broke-off":
      answer.withdraw();
      return refuse(response, REFUSALS.truncated);
    case "too-large":
      answer.end({ kind: "error", error: responseTooLarge() });
      return refuse(response, REFUSALS.tooLarge);
    case "body": {
      const error = readTrailerError(request.trailers);
      if (error !== undefined) answer.fail(error);
      else answer.end({ kind: "result", json: asJson(body.bytes) });
      return accept(response);
    }
  }
}

async function takeStream(
  answer: RuntimeAnswer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const streamed = await readStream(request);
  if (streamed.kind === "no-head") answer.end({ kind: "error", error: streamed.error });
  else {
    answer.stream(streamed.answer, streamed.breakOff);
    await streamed.answer.over;
  }
  accept(response);
}

export async function takeError(
  answer: RuntimeAnswer | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (answer === undefined) return refuse(response, REFUSALS.invalidRequestId);
  const error = await takeErrorBody(request, response);
  if (error === undefined) answer.withdraw();
  else answer.fail(error);
}

/** Undefined where the request broke off. */
export const takeInitError = takeErrorBody;

async function takeErrorBody(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ErrorPayload | undefined> {
  const body = await readBounded(request, ERROR_BYTES_MAX);
  switch (body.kind) {
    case "broke-off":
      refuse(response, REFUSALS.truncated);
      return undefined;
    case "too-large":
      refuse(response, REFUSALS.tooLarge);
      return readRuntimeError(request.headers, Buffer.alloc(0));
    case "body":
      accept(response);
      return readRuntimeError(request.headers, body.bytes);
  }
}

/** As AWS answers it to the caller. */
const responseTooLarge = (): ErrorPayload => ({
  errorType: "Function.ResponseSizeTooLarge",
  errorMessage: `Response payload size exceeded maximum allowed payload size (${BODY_BYTES_MAX} bytes).`,
});

/** A runtime may answer anything; all that follows reads JSON, so other text becomes a JSON string. */
const asJson = (bytes: Buffer): Buffer =>
  bytes.length === 0 || isJson(bytes) ? bytes : Buffer.from(JSON.stringify(bytes.toString("utf8")));

const isJson = (bytes: Buffer): boolean =>
  bytes.length > CHECKED_BYTES_MAX
    ? /^\s*["[{]/.test(bytes.toString("utf8", 0, 64))
    : parseJson(bytes) !== undefined;
