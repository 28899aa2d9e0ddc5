import type { InvokeHeader } from "#lib/contracts/instance-frames.ts";

/** What a runtime asks of AWS Lambda's Runtime API, version 2018-06-01. */
export type RuntimeRequest =
  | { readonly kind: "next" }
  | { readonly kind: "response"; readonly callName: string }
  | { readonly kind: "error"; readonly callName: string }
  | { readonly kind: "init-error" }
  | { readonly kind: "unknown" };

const PATHS =
  /^\/2018-06-01\/runtime\/(?:(init\/error)|invocation\/(?:(next)|([^/]+)\/(response|error)))$/;

export function readRuntimeRequest(method: string, url: string): RuntimeRequest {
  const [, initError, next, callName, ending] = PATHS.exec(url.split("?", 1)[0] ?? "") ?? [];
  if (next !== undefined) return { kind: method === "GET" ? "next" : "unknown" };
  if (method !== "POST") return { kind: "unknown" };
  if (initError !== undefined) return { kind: "init-error" };
  if (callName === undefined) return { kind: "unknown" };
  return { kind: ending === "response" ? "response" : "error", callName };
}

/** With which a call is handed out. `callName` stands in the path of its answer. */
export const invocationHeaders = (
  callName: string,
  header: InvokeHeader,
  deadlineEpochMs: number,
): Readonly<Record<string, string>> => ({
  "content-type": "application/json",
  "lambda-runtime-aws-request-id": callName,
  "lambda-runtime-deadline-ms": String(Math.floor(deadlineEpochMs)),
  "lambda-runtime-invoked-function-arn": functionArn(header),
  ...(header.xrayTraceId === undefined ? {} : { "lambda-runtime-trace-id": header.xrayTraceId }),
});

/** Of the shape that AWS gives, so that code which takes one apart finds tenant, name and version in their places. */
const functionArn = ({ tenant, functionName, functionVersion }: InvokeHeader): string =>
  `arn:meridian:lambda::${tenant}:function:${functionName}:${functionVersion}`;

/** With which AWS answers what it does not take. */
export interface RuntimeRefusal {
  readonly status: number;
  readonly errorType: string;
  readonly errorMessage: string;
}

export const REFUSALS = {
  notFound: {
    status: 404,
    errorType: "NotFound",
    errorMessage: "The Runtime API has no such path",
  },
  invalidRequestId: {
    status: 400,
    errorType: "InvalidRequestID",
    errorMessage: "Invalid request ID",
  },
  truncated: {
    status: 400,
    errorType: "TruncatedHTTPRequest",
    errorMessage: "HTTP request detected as truncated",
  },
  initIsOver: {
    status: 403,
    errorType: "InvalidStateTransition",
    errorMessage: "The runtime is ready: it can fail in calls, and not in its init any more",
  },
  tooManyPolls: {
    status: 403,
    errorType: "InvalidStateTransition",
    errorMessage: "The runtime has as many calls, and asks for calls, as its concurrency allows",
  },
  tooLarge: {
    status: 413,
    errorType: "RequestEntityTooLarge",
    errorMessage: "Exceeded maximum allowed payload size",
  },
} as const satisfies Record<string, RuntimeRefusal>;

/** A call's name in paths: its request id where that is plain and not taken, so that logs and answers show the same. */
export function nameCall(
  requestId: string,
  isTaken: (name: string) => boolean,
  serial: number,
): string {
  const isPlain = /^[A-Za-z0-9._-]{1,128}$/.test(requestId) && requestId !== "next";
  if (isPlain && !isTaken(requestId)) return requestId;
  const name = isPlain ? `${requestId}.${serial}` : `call.${serial}`;
  return isTaken(name) ? nameCall(requestId, isTaken, serial + 1) : name;
}
