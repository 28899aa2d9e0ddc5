import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";

/** What a function's result becomes on the wire. Framing headers are the server's business and not among them. */
export interface FunctionAnswer {
  readonly status: number;
  /** Lower-case names; `set-cookie` may hold several. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

/** An answer whose body is still being made. */
export interface StreamedAnswer extends Omit<FunctionAnswer, "body"> {
  readonly stream: BodyStream;
  /** Complete once the stream has ended. */
  readonly trailers: () => Readonly<Record<string, string>>;
}

/** A body on its way, taken once and in order; it fails where the body breaks off. Node's readable streams are such. */
export interface BodyStream extends AsyncIterable<Buffer> {
  /** Nobody takes the rest. */
  readonly destroy: (reason?: Error) => unknown;
}

export type ServedAnswer = FunctionAnswer | StreamedAnswer;

/** `invalid` is the function's fault: the HTTP door answers 502 with the reason. */
export type AnswerReading =
  | { readonly kind: "answer"; readonly answer: FunctionAnswer }
  | { readonly kind: "invalid"; readonly reason: string };

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Below what HTTP clients take as a whole head. */
const HEADER_BYTES_MAX = 12_288;
/** Each is a header of its own: many that say nothing are long, too. */
const COOKIE_LINE_BYTES = "set-cookie: \r\n".length;
/** Set by the server, or words of the platform that a function must not speak. */
const NOT_THE_FUNCTIONS =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|x-request-id|meridian-.*)$/;

/** `:invoke`: a string as it is, anything else as JSON; a handler that returns nothing answers `null`. */
export function readInvokeAnswer(resultJson: Buffer, contentType: string): FunctionAnswer {
  const isString = resultJson[0] === 0x22;
  if (!isString) return jsonAnswer(resultJson);
  const text = parse(resultJson);
  if (typeof text !== "string") return jsonAnswer(resultJson);
  return { status: 200, headers: { "content-type": contentType }, body: Buffer.from(text) };
}

/** `/fn/…`: `{statusCode, headers, cookies, body, isBase64Encoded}` as function URLs take it, or any other value as JSON. */
export function readHttpAnswer(resultJson: Buffer): AnswerReading {
  const result = parse(resultJson);
  if (typeof result !== "object" || result === null || !("statusCode" in result))
    return { kind: "answer", answer: jsonAnswer(resultJson) };
  const { body, isBase64Encoded, ...said } = result as Record<string, unknown>;
  const head = readHead(said);
  if (head.kind === "invalid") return head;

  const bytes = bodyBytes(body, isBase64Encoded === true);
  if (bytes.length > BODY_BYTES_MAX)
    return invalid(`the body has ${bytes.length} bytes, ${BODY_BYTES_MAX} are allowed`);
  const { status, headers, mayHaveBody } = head;
  const hasBody = mayHaveBody && bytes.length > 0;
  return {
    kind: "answer",
    answer: {
      status,
      headers: hasBody ? { "content-type": "application/json", ...headers } : headers,
      body: hasBody ? bytes : Buffer.alloc(0),
    },
  };
}

/** What a function says before its body, in the words of function URLs. */
export interface SaidHead {
  readonly statusCode?: unknown;
  readonly headers?: unknown;
  readonly cookies?: unknown;
}

export type HeadReading =
  | {
      readonly kind: "head";
      readonly status: number;
      readonly headers: ReadHeaders;
      readonly mayHaveBody: boolean;
    }
  | { readonly kind: "invalid"; readonly reason: string };

/** Nothing of it is trusted. A head without status says 200; 101 is for who did change the protocol. */
export function readHead(
  { statusCode = 200, headers, cookies }: SaidHead,
  isUpgraded = false,
): HeadReading {
  const status = isUpgraded ? 101 : readStatus(statusCode);
  if (status === undefined) return invalid(`the statusCode is not a whole number from 200 to 599`);
  const readHeaders = readHeadersOf(headers);
  if (typeof readHeaders === "string") return invalid(readHeaders);
  const setCookies = readCookies(cookies);
  if (typeof setCookies === "string") return invalid(setCookies);
  return {
    kind: "head",
    status,
    headers: withCookies(readHeaders, setCookies),
    mayHaveBody: status !== 204 && status !== 205 && status !== 304,
  };
}

const invalid = (reason: string) => ({ kind: "invalid", reason }) as const;

function jsonAnswer(resultJson: Buffer): FunctionAnswer {
  const body = resultJson.length === 0 ? Buffer.from("null") : resultJson;
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

function readStatus(value: unknown): number | undefined {
  const status = typeof value === "string" && /^[0-9]{3}$/.test(value) ? Number(value) : value;
  if (typeof status !== "number" || !Number.isInteger(status)) return undefined;
  return status >= 200 && status <= 599 ? status : undefined;
}

type ReadHeaders = Readonly<Record<string, string | readonly string[]>>;

/** The headers to send, or the reason why they cannot be sent. */
function readHeadersOf(headers: unknown): ReadHeaders | string {
  if (headers === undefined || headers === null) return {};
  if (typeof headers !== "object") return "headers is not an object";
  const read = new Map<string, string>();
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name)) return "a header has a name that HTTP does not allow";
    const lower = name.toLowerCase();
    if (NOT_THE_FUNCTIONS.test(lower)) continue;
    if (!["string", "number", "boolean"].includes(typeof value))
      return `the header ${lower} is neither text nor a number`;
    const text = String(value);
    if (!HEADER_VALUE.test(text)) return `the header ${lower} holds characters HTTP does not allow`;
    bytes += lower.length + text.length + 4;
    read.set(lower, text);
  }
  if (bytes > HEADER_BYTES_MAX) return `the headers have more than ${HEADER_BYTES_MAX} bytes`;
  return Object.fromEntries(read);
}

function readCookies(cookies: unknown): readonly string[] | string {
  if (cookies === undefined || cookies === null) return [];
  if (!Array.isArray(cookies)) return "cookies is not a list";
  const read: string[] = [];
  let bytes = 0;
  for (const cookie of cookies) {
    if (typeof cookie !== "string" || !HEADER_VALUE.test(cookie))
      return "a cookie is no text that HTTP allows";
    bytes += COOKIE_LINE_BYTES + cookie.length;
    if (bytes > HEADER_BYTES_MAX) return `the cookies have more than ${HEADER_BYTES_MAX} bytes`;
    read.push(cookie);
  }
  return read;
}

function withCookies(headers: ReadHeaders, cookies: readonly string[]): ReadHeaders {
  const own = headers["set-cookie"];
  const setCookies = typeof own === "string" ? [own, ...cookies] : cookies;
  return { ...headers, ...(setCookies.length === 0 ? {} : { "set-cookie": setCookies }) };
}

function bodyBytes(body: unknown, isBase64: boolean): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (typeof body === "string") return Buffer.from(body, isBase64 ? "base64" : "utf8");
  return Buffer.from(JSON.stringify(body));
}

function parse(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString("utf8"));
  } catch {
    return undefined;
  }
}
