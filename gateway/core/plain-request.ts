import { inspectHeaders } from "./inspect-headers.ts";

/** A request that can be read in one way only, and asks for nothing but an answer. */
export interface PlainRequest {
  readonly kind: "plain";
  readonly method: string;
  readonly target: string;
  /** Lower-case names, each once. */
  readonly headers: Readonly<Record<string, string>>;
  /** Up to where the body begins. */
  readonly headBytes: number;
  readonly bodyBytes: number;
}

/** `unfinished`: plain as far as it goes. `other`: for a reader that knows all of HTTP. */
export type PlainReading =
  | PlainRequest
  | { readonly kind: "unfinished" }
  | { readonly kind: "other" };

export const PLAIN_HEAD_BYTES_MAX = 8 * 1024;
const PLAIN_BODY_BYTES_MAX = 32 * 1024;

const REQUEST_LINE =
  /(GET|POST|PUT|PATCH|DELETE|OPTIONS) (\/[A-Za-z0-9_.~:@!$&'()*+,;=/?%-]*) HTTP\/1\.1\r\n/y;
const HEADER_LINE = /([A-Za-z][A-Za-z0-9-]*): ?([!-~](?:[ -~]*[!-~])?)?\r\n/y;
/** As much of a line as may still become one of the two. */
const BEGUN_LINE = /[ -~]*\r?$/y;
const LENGTH = /^(?:0|[1-9]\d{0,5})$/;
/** They say how to read on, or what becomes of the connection. */
const NOT_PLAIN = new Set([
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const UNFINISHED: PlainReading = { kind: "unfinished" };
const OTHER: PlainReading = { kind: "other" };

/** Reads the request that `text` begins with, one character a byte; whatever is not surely plain is `other`. */
export function readPlainRequest(text: string): PlainReading {
  REQUEST_LINE.lastIndex = 0;
  const [, method, target] = REQUEST_LINE.exec(text) ?? [];
  if (method === undefined || target === undefined) return unreadable(text, 0);

  const rawHeaders: string[] = [];
  const headers: Record<string, string> = {};
  let lineAt = REQUEST_LINE.lastIndex;
  while (!text.startsWith("\r\n", lineAt)) {
    HEADER_LINE.lastIndex = lineAt;
    const [, givenName, value = ""] = HEADER_LINE.exec(text) ?? [];
    if (givenName === undefined) return unreadable(text, lineAt);
    const name = givenName.toLowerCase();
    if (headers[name] !== undefined || !isPlain(name, value)) return OTHER;
    headers[name] = value;
    rawHeaders.push(name, value);
    lineAt = HEADER_LINE.lastIndex;
  }
  const headBytes = lineAt + 2;
  const bodyBytes = Number(headers["content-length"] ?? 0);
  if (headBytes > PLAIN_HEAD_BYTES_MAX || bodyBytes > PLAIN_BODY_BYTES_MAX) return OTHER;
  if (inspectHeaders(rawHeaders, "1.1") !== undefined) return OTHER;
  return { kind: "plain", method, target, headers, headBytes, bodyBytes };
}

function isPlain(name: string, value: string): boolean {
  switch (name) {
    case "connection":
      return value.toLowerCase() === "keep-alive";
    case "content-length":
      return LENGTH.test(value);
    default:
      return !NOT_PLAIN.has(name);
  }
}

/** A line that came whole and is none of ours never becomes one. */
function unreadable(text: string, lineAt: number): PlainReading {
  BEGUN_LINE.lastIndex = lineAt;
  return text.length < PLAIN_HEAD_BYTES_MAX && BEGUN_LINE.test(text) ? UNFINISHED : OTHER;
}
