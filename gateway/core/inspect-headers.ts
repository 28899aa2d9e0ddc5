import type { ErrorCode } from "#lib/errors.ts";

export interface HeaderFault {
  readonly code: ErrorCode;
  readonly reason: string;
}

const HEADERS_MAX = 100;
const HOST = /^[A-Za-z0-9._-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/;
/** Of these a second one would leave open which counts. */
const SINGLE = new Set(["host", "authorization", "content-type", "meridian-region"]);

/**
 * What the HTTP parser lets through and two readers could still understand differently; undefined when there is none.
 * `rawHeaders` alternates names and values, as they came.
 */
export function inspectHeaders(
  rawHeaders: readonly string[],
  httpVersion: string,
): HeaderFault | undefined {
  if (rawHeaders.length / 2 > HEADERS_MAX)
    return {
      code: "MERIDIAN_HEADERS_TOO_LARGE",
      reason: `it has more than ${HEADERS_MAX} headers`,
    };
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const value = rawHeaders[index + 1] ?? "";
    // HTTP/1.0 knows no expectations, and they are to be ignored there.
    if (name === "expect" && httpVersion !== "1.0" && value.toLowerCase() !== "100-continue")
      return { code: "MERIDIAN_EXPECTATION_FAILED", reason: "it may expect 100-continue alone" };
    const reason =
      SINGLE.has(name) && seen.has(name)
        ? `it has more than one ${name} header`
        : judgeValue(name, value, httpVersion);
    if (reason !== undefined) return { code: "MERIDIAN_BAD_REQUEST", reason };
    seen.add(name);
  }
  return httpVersion !== "1.0" && !seen.has("host")
    ? { code: "MERIDIAN_BAD_REQUEST", reason: "it has no Host header" }
    : undefined;
}

function judgeValue(name: string, value: string, httpVersion: string): string | undefined {
  switch (name) {
    case "host":
      return HOST.test(value) ? undefined : "its Host header is not a host";
    case "transfer-encoding":
      if (httpVersion !== "1.1") return "HTTP/1.0 has no Transfer-Encoding";
      return value.trim().toLowerCase() === "chunked"
        ? undefined
        : "the only Transfer-Encoding served is chunked";
    case "upgrade":
      // Others, such as h2c, are offers that a server may ignore.
      return value.toLowerCase().includes("websocket")
        ? "WebSocket connections are not served yet"
        : undefined;
    default:
      return undefined;
  }
}
