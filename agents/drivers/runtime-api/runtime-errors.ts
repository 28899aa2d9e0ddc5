import type { IncomingMessage } from "node:http";
import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { parseJson } from "#lib/frames.ts";
import { readErrorPayload } from "../frames.ts";

const ERROR_TYPE = "lambda-runtime-function-error-type";
const ERROR_BODY = "lambda-runtime-function-error-body";

/** What a runtime says of a failure: AWS's error object in the body, Node's with its own word for the stack, and its type in a header too. */
export function readRuntimeError(headers: IncomingMessage["headers"], body: Buffer): ErrorPayload {
  const said = parseJson(body);
  const named = typeof said === "object" && said !== null ? said : {};
  const type = headers[ERROR_TYPE];
  const { trace, stackTrace = trace } = named as Readonly<Record<string, unknown>>;
  return readErrorPayload(
    Buffer.from(
      JSON.stringify({
        errorMessage: "",
        errorType: typeof type === "string" ? type : "Runtime.UnknownReason",
        ...named,
        ...(Array.isArray(stackTrace) ? { stackTrace: stackTrace.map(frameText) } : {}),
        // Whether the process goes on is seen, and not said.
        isCrash: undefined,
      }),
    ),
  );
}

/** An answer whose body broke off in the runtime says so after it; undefined for a whole one. */
export function readTrailerError(trailers: NodeJS.Dict<string>): ErrorPayload | undefined {
  const errorType = trailers[ERROR_TYPE];
  if (errorType === undefined || errorType === "") return undefined;
  const body = Buffer.from(trailers[ERROR_BODY] ?? "", "base64");
  return readRuntimeError({ [ERROR_TYPE]: errorType }, body);
}

/** Runtimes of compiled languages send frames as objects: `{path, line, label}`. */
function frameText(frame: unknown): string {
  if (typeof frame === "string") return frame;
  if (typeof frame !== "object" || frame === null) return String(frame);
  const { path, line, label } = frame as Record<string, unknown>;
  return typeof path === "string" && typeof line === "number" && typeof label === "string"
    ? `${label} (${path}:${line})`
    : JSON.stringify(frame);
}
