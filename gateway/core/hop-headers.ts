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
  const nominated = String(headers["connection"] ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  const kept: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !HOP_HEADERS.has(name) && !nominated.includes(name))
      kept[name] = value;
  return kept;
}
