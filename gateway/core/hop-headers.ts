/** Headers as Node gives them: lower-case names. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Of this connection alone (RFC 9110, 7.6.1), or said anew by whoever sends on. */
const HOP_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
]);

/** The headers that may be sent on: none of this hop, none that `Connection` nominates, no unset ones. */
export function withoutHopHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const nominated = nominatedBy(headers["connection"]);
  const kept: Record<string, string | readonly string[]> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !HOP_HEADERS.has(name) && !nominated.includes(name))
      kept[name] = value;
  }
  return kept;
}

const nominatedBy = (connection: Headers[string]): readonly string[] =>
  connection === undefined
    ? []
    : String(connection)
        .toLowerCase()
        .split(",")
        .map((name) => name.trim());

/** Where a request comes from, as only the gateway knows it. */
const CLAIMS_OF_ORIGIN = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
]);

/** What a caller says and may be told to others: no claims of its origin, and no name that some readers take for another. */
export function callersHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const kept = withoutHopHeaders(headers);
  for (const name of Object.keys(kept))
    // An underscore is a hyphen to some readers of headers, so that two names could collide.
    if (CLAIMS_OF_ORIGIN.has(name) || name.includes("_")) delete kept[name];
  return kept;
}
