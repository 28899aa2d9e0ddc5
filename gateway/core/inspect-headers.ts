import type { ErrorCode } from "#lib/errors.ts";
import { isIdempotencyKey } from "./replay-headers.ts";

export interface HeaderFault {
  readonly code: ErrorCode;
  readonly reason: string;
}

/** The versions that are served; `2.0` is what `HTTP/2.0` in an HTTP/1 request line would be, and is none of them. */
export type HttpVersion = "1.0" | "1.1" | "2";

const HEADERS_MAX = 100;
export const HEADER_BYTES_MAX = 16 * 1024;
const PORT_MAX = 65_535;
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;
/** Of these a second one would leave open which counts. */
const SINGLE = new Set([
  "host",
  "authorization",
  "content-length",
  "content-type",
  "idempotency-key",
  "transfer-encoding",
  "meridian-region",
]);
/** `Connection` takes what it names off the request (RFC 9110, 7.6.1): these are not for a caller to take off. */
const NOT_NOMINATED = /^(?:host|authorization|cookie|content-.*|forwarded|x-.*|meridian-.*)$/;

/**
 * What the HTTP parser lets through and two readers could still understand differently; undefined when there is none.
 * `rawHeaders` alternates names and values, as they came.
 */
export function inspectHeaders(
  rawHeaders: readonly string[],
  httpVersion: string,
): HeaderFault | undefined {
  if (!isServed(httpVersion))
    return bad("HTTP/1.0, HTTP/1.1 and HTTP/2 are served, each in its own form");
  if (rawHeaders.length / 2 > HEADERS_MAX) return tooLarge(`more than ${HEADERS_MAX} headers`);
  const seen = new Set<string>();
  let bytes = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const value = rawHeaders[index + 1] ?? "";
    bytes += name.length + value.length;
    if (SINGLE.has(name) && seen.has(name)) return bad(`it has more than one ${name} header`);
    const fault = judge(name, value, httpVersion);
    if (fault !== undefined) return fault;
    seen.add(name);
  }
  if (bytes > HEADER_BYTES_MAX) return HEADERS_TOO_LONG;
  return httpVersion !== "1.0" && !seen.has("host") ? bad("it has no Host header") : undefined;
}

function bad(reason: string): HeaderFault {
  return { code: "MERIDIAN_BAD_REQUEST", reason };
}

function tooLarge(what: string): HeaderFault {
  return { code: "MERIDIAN_HEADERS_TOO_LARGE", reason: `it has ${what}` };
}

/** Over HTTP/1 the parser is the first to see it. */
export const HEADERS_TOO_LONG = tooLarge(`more than ${HEADER_BYTES_MAX} bytes of headers`);

const isServed = (httpVersion: string): httpVersion is HttpVersion =>
  httpVersion === "1.1" || httpVersion === "2" || httpVersion === "1.0";

function judge(name: string, value: string, httpVersion: HttpVersion): HeaderFault | undefined {
  switch (name) {
    case "host":
      return isHost(value) ? undefined : bad("its Host header is not a host");
    case "expect":
      // HTTP/1.0 knows no expectations, and they are to be ignored there.
      return httpVersion === "1.0" || value.toLowerCase() === "100-continue"
        ? undefined
        : { code: "MERIDIAN_EXPECTATION_FAILED", reason: "it may expect 100-continue alone" };
    case "transfer-encoding":
      return httpVersion === "1.1"
        ? judgeCodings(value)
        : bad(`HTTP/${httpVersion} has no Transfer-Encoding`);
    case "idempotency-key":
      return isIdempotencyKey(value)
        ? undefined
        : bad("its Idempotency-Key is not 1 to 255 visible ASCII characters, without spaces");
    case "connection":
      return value.split(",").some((word) => NOT_NOMINATED.test(word.trim().toLowerCase()))
        ? bad("its Connection header names a header that is not of the connection alone")
        : undefined;
    default:
      return undefined;
  }
}

/** A body that does not end with chunked has no end that can be told (RFC 9112, 6.3). */
function judgeCodings(value: string): HeaderFault | undefined {
  const codings = value.split(",").map((coding) => coding.trim().toLowerCase());
  if (codings.indexOf("chunked") !== codings.length - 1)
    return bad("its Transfer-Encoding does not end with chunked, once");
  return codings.length === 1
    ? undefined
    : {
        code: "MERIDIAN_TRANSFER_CODING_UNKNOWN",
        reason: "the only Transfer-Encoding served is chunked",
      };
}

function isHost(value: string): boolean {
  const matched = HOST.exec(value);
  return matched !== null && Number(matched[1] ?? 0) <= PORT_MAX;
}
