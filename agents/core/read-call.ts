import { type HttpRequestParts, INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { NAME_PATTERN } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";

/** A call as the gateway's headers describe it; its body comes beside it. */
export interface Call {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly requestId: string;
  /** Milliseconds left when the gateway sent it. */
  readonly deadlineMs: number;
  readonly contentType: string;
  /** The gateway's table revision; undefined when it did not say. */
  readonly revision: number | undefined;
  /** Undefined where nobody said one that can be read. */
  readonly trace: CallTrace | undefined;
  readonly door: CallDoor;
}

/** W3C Trace Context, as handlers are given it. */
export interface CallTrace {
  readonly traceparent: string;
  /** Empty for none. */
  readonly tracestate: string;
}

export type CallDoor =
  | { readonly kind: "invoke" }
  | { readonly kind: "http"; readonly request: HttpRequestParts };

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const namePattern = new RegExp(NAME_PATTERN);
const REQUEST_ID_PATTERN = /^[\x21-\x7e]{1,128}$/;
/** Fifteen minutes of running and as much of waiting. */
const DEADLINE_MAX_MS = 1_800_000;
/** As gateways write it; they have read the caller's. */
const TRACE_PARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACE_STATE = /^[\x20-\x7e]{0,512}$/;

/** The call, or MERIDIAN_BAD_REQUEST naming the header that is wrong. */
export function readCall(headers: Headers): Call {
  const tenant = matching(headers, INVOCATION_HEADERS.tenant, namePattern);
  const functionName = matching(headers, INVOCATION_HEADERS.functionName, namePattern);
  const door = matching(headers, INVOCATION_HEADERS.door, /^(invoke|http)$/);
  const contentType = headers["content-type"];
  return {
    tenant,
    functionName,
    version: wholeNumber(headers, INVOCATION_HEADERS.version, 1_000_000_000),
    requestId: matching(headers, INVOCATION_HEADERS.requestId, REQUEST_ID_PATTERN),
    deadlineMs: wholeNumber(headers, INVOCATION_HEADERS.deadlineMs, DEADLINE_MAX_MS),
    contentType: typeof contentType === "string" ? contentType : "",
    revision:
      headers[INVOCATION_HEADERS.revision] === undefined
        ? undefined
        : wholeNumber(headers, INVOCATION_HEADERS.revision, Number.MAX_SAFE_INTEGER),
    trace: readTrace(headers),
    door: door === "invoke" ? { kind: "invoke" } : { kind: "http", request: httpRequest(headers) },
  };
}

/** A trace that is malformed is no reason to refuse a call. */
function readTrace(headers: Headers): CallTrace | undefined {
  const traceparent = headers[INVOCATION_HEADERS.traceParent];
  const tracestate = headers[INVOCATION_HEADERS.traceState];
  if (typeof traceparent !== "string" || !TRACE_PARENT.test(traceparent)) return undefined;
  const isReadable = typeof tracestate === "string" && TRACE_STATE.test(tracestate);
  return { traceparent, tracestate: isReadable ? tracestate : "" };
}

function matching(headers: Headers, name: string, pattern: RegExp): string {
  const value = headers[name];
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    `The header ${name} is missing or malformed; gateways send it with each call.`,
  );
}

function wholeNumber(headers: Headers, name: string, maximum: number): number {
  const value = Number(matching(headers, name, /^[0-9]{1,16}$/));
  if (value <= maximum) return value;
  throw new MeridianError("MERIDIAN_BAD_REQUEST", `The header ${name} exceeds ${maximum}.`);
}

function httpRequest(headers: Headers): HttpRequestParts {
  const name = INVOCATION_HEADERS.httpRequest;
  try {
    const parts: unknown = JSON.parse(decodeURIComponent(matching(headers, name, /^.+$/)));
    if (isHttpRequestParts(parts)) return parts;
  } catch {
    // Falls through to the one sentence for all of it.
  }
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    `The header ${name} does not hold the caller's request as percent-encoded JSON.`,
  );
}

function isHttpRequestParts(parts: unknown): parts is HttpRequestParts {
  if (typeof parts !== "object" || parts === null) return false;
  const { headers, cookies, ...texts } = parts as Record<string, unknown>;
  return (
    ["method", "path", "rawQuery", "sourceIp", "domainName"].every(
      (name) => typeof texts[name] === "string",
    ) &&
    Array.isArray(cookies) &&
    cookies.every((cookie) => typeof cookie === "string") &&
    typeof headers === "object" &&
    headers !== null &&
    Object.values(headers).every((value) => typeof value === "string")
  );
}
