import type { OutgoingHttpHeaders } from "node:http";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { InvokeHeader } from "#lib/contracts/instance-frames.ts";
import type { InstanceRequest } from "./driver.ts";

const HAS_NO_BODY = /^(?:GET|HEAD|OPTIONS|DELETE)$/;

/** The headers of a request to a server: the caller's, the call's own, and what its connection needs. */
export function requestHeaders(header: InvokeHeader, asked: InstanceRequest): OutgoingHttpHeaders {
  const { "content-length": declared, ...headers } = asked.headers;
  return {
    ...headers,
    [INVOCATION_HEADERS.requestId]: header.requestId,
    [INVOCATION_HEADERS.deadlineMs]: String(header.deadlineMs),
    ...(header.traceparent === undefined ? {} : { traceparent: header.traceparent }),
    ...(header.tracestate === undefined ? {} : { tracestate: header.tracestate }),
    ...framing(asked, declared),
  };
}

function framing(
  { body, method, upgrade }: InstanceRequest,
  declared: string | readonly string[] | undefined,
): OutgoingHttpHeaders {
  if (upgrade !== undefined) return { connection: "Upgrade", upgrade };
  if (!Buffer.isBuffer(body))
    return declared === undefined
      ? { "transfer-encoding": "chunked" }
      : { "content-length": String(declared) };
  if (body.length === 0 && HAS_NO_BODY.test(method)) return {};
  return { "content-length": String(body.length) };
}
