import { type HttpRequestParts, INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { callersHeaders, type Headers } from "./hop-headers.ts";
import { type TraceContext, traceParentOf } from "./trace-context.ts";
import { keyAmongProtocols } from "./websocket-credentials.ts";

export interface HttpRequestFacts {
  readonly method: string;
  /** Below the function. */
  readonly path: string;
  readonly rawQuery: string;
  readonly headers: Headers;
  readonly clientIp: string;
  /** Of the caller's connection. */
  readonly scheme: "http" | "https";
  readonly requestId: string;
  /** As it goes on from here; the caller's own would leave this gateway out. */
  readonly trace: TraceContext;
  /** Whether `Authorization` was for Meridian; where the function is public it belongs to the function. */
  readonly isKeyChecked: boolean;
}

/** What callers may claim but only the gateway knows. */
const CLAIMS = /^(?:meridian-.*|traceparent|tracestate)$/;

/** The caller's request as the function may see it: claims of its origin replaced by what is known, the platform's key gone. */
export function describeHttpRequest(facts: HttpRequestFacts): HttpRequestParts {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(callersHeaders(facts.headers))) {
    if (CLAIMS.test(name) || name === "cookie") continue;
    if (name === "authorization" && facts.isKeyChecked) continue;
    const text = typeof value === "string" ? value : value.join(", ");
    const offered = name === "sec-websocket-protocol" ? keyAmongProtocols(text) : undefined;
    if (offered === undefined) headers[name] = text;
    else if (offered.protocols !== undefined) headers[name] = offered.protocols;
  }
  headers["x-forwarded-for"] = facts.clientIp;
  headers["x-forwarded-proto"] = facts.scheme;
  headers[INVOCATION_HEADERS.requestId] = facts.requestId;
  headers[INVOCATION_HEADERS.traceParent] = traceParentOf(facts.trace);
  if (facts.trace.traceState !== "")
    headers[INVOCATION_HEADERS.traceState] = facts.trace.traceState;
  return {
    method: facts.method,
    path: facts.path,
    rawQuery: facts.rawQuery,
    headers,
    cookies: splitCookies(facts.headers["cookie"]),
    sourceIp: facts.clientIp,
    domainName: headers["host"] ?? "",
  };
}

const splitCookies = (cookie: string | readonly string[] | undefined): string[] =>
  (typeof cookie === "string" ? cookie : (cookie?.join("; ") ?? ""))
    .split(";")
    .map((one) => one.trim())
    .filter((one) => one !== "");
