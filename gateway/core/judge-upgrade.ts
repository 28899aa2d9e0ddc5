import type { HeaderFault } from "./inspect-headers.ts";
import type { Headers } from "./hop-headers.ts";

/** What a request says of going over to another protocol. */
export type UpgradeWish =
  /** Nothing, or what a server may ignore (RFC 9110, 7.8). */
  | { readonly kind: "none" }
  | { readonly kind: "wanted"; readonly protocol: string }
  | { readonly kind: "refused"; readonly fault: HeaderFault };

export interface UpgradeRequest {
  readonly method?: string | undefined;
  readonly headers: Headers;
  readonly httpVersion: string;
}

/** One protocol and, for some, its version; a list of them would leave open which the function is to speak. */
const PROTOCOL = /^[!#$%&'*+.^_`|~0-9a-z-]{1,48}(?:\/[!#$%&'*+.^_`|~0-9a-z-]{1,15})?$/;
/** Other ways to speak HTTP to the gateway itself: those it says by other means. */
const OF_THIS_CONNECTION = /^(?:h2c?|http\/[0-9.]+|tls\/[0-9.]+)$/;
/** Sixteen bytes in base64 (RFC 6455, 4.1). */
const WEBSOCKET_KEY = /^[A-Za-z0-9+/]{22}==$/;

export function judgeUpgrade({ method, headers, httpVersion }: UpgradeRequest): UpgradeWish {
  const upgrade = headers["upgrade"];
  if (upgrade === undefined || httpVersion === "1.0") return none;
  const named = words(upgrade);
  const wanted = named.filter((word) => !OF_THIS_CONNECTION.test(word));
  const [protocol] = wanted;
  const isOfThisHop = words(headers["connection"]).includes("upgrade");
  if (protocol === undefined) return none;
  if (!isOfThisHop)
    return protocol === "websocket" ? refused("its Connection does not name Upgrade") : none;
  if (named.length > 1 || !PROTOCOL.test(protocol))
    return refused("its Upgrade does not name one protocol");
  if (hasBody(headers)) return refused("it asks for an upgrade and has a body");
  const reason = protocol === "websocket" ? faultOfWebSocket(method, headers) : undefined;
  return reason === undefined ? { kind: "wanted", protocol } : refused(reason);
}

const none: UpgradeWish = { kind: "none" };

const refused = (reason: string): UpgradeWish => ({
  kind: "refused",
  fault: { code: "MERIDIAN_BAD_REQUEST", reason },
});

const words = (value: string | readonly string[] | undefined): string[] =>
  String(value ?? "")
    .toLowerCase()
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

const hasBody = (headers: Headers): boolean =>
  Number(headers["content-length"] ?? 0) > 0 || headers["transfer-encoding"] !== undefined;

/** The handshake is checked here, since after it nobody looks at the bytes any more. */
function faultOfWebSocket(method: string | undefined, headers: Headers): string | undefined {
  if (method !== "GET") return "a WebSocket begins with GET";
  if (headers["sec-websocket-version"] !== "13") return "its Sec-WebSocket-Version is not 13";
  return WEBSOCKET_KEY.test(String(headers["sec-websocket-key"] ?? ""))
    ? undefined
    : "its Sec-WebSocket-Key is not 16 bytes in base64";
}
