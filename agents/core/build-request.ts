import type { Call } from "./read-call.ts";

/** What a server is asked, but for its body. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Lower case; none that belong to one connection. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Of one connection (RFC 9110, 7.6.1), or said anew with the body. Gateways leave most of them out already. */
const OF_ONE_CONNECTION =
  /^(?:connection|keep-alive|proxy-connection|proxy-authorization|te|trailer|transfer-encoding|upgrade|expect|http2-settings)$/;
/** A path that a request line can carry; what a gateway sends is one, and nothing else gets into a line. */
const TARGET = /^\/[\x21-\x7e]*$/;

/** The request as it goes to a function that is a server: `:invoke` is `POST /`, and `/fn/…` what the caller asked. */
export function buildRequest(call: Call): RequestHead {
  if (call.door.kind === "invoke")
    return { method: "POST", target: "/", headers: { "content-type": call.contentType } };
  const { method, path, rawQuery, headers, cookies, domainName } = call.door.request;
  const target =
    (path.startsWith("/") ? path : `/${path}`) + (rawQuery === "" ? "" : `?${rawQuery}`);
  const kept = Object.entries(headers).filter(([name]) => !OF_ONE_CONNECTION.test(name));
  return {
    method,
    target: TARGET.test(target) ? target : encodeURI(target),
    headers: {
      ...Object.fromEntries(kept),
      ...(domainName === "" ? {} : { "x-forwarded-host": domainName }),
      ...(cookies.length === 0 ? {} : { cookie: cookies.join("; ") }),
    },
  };
}
