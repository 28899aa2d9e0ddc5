import type { ErrorCode } from "#lib/errors.ts";
import { LIVE_ALIAS, NAME_PATTERN } from "#lib/contracts/names.ts";

/** Which version of which function a path names. */
export interface FunctionAddress {
  readonly tenant: string;
  readonly functionName: string;
  readonly alias: string;
}

/** `:invoke` sends the body as the event. */
export interface InvokeDoor extends FunctionAddress {
  readonly kind: "invoke";
}
/** `/fn/…` sends the HTTP request; `path` is what follows the function, at least `/`. */
export interface HttpDoor extends FunctionAddress {
  readonly kind: "http";
  readonly path: string;
}
/** What a zone's gateway thinks at this moment. */
export interface StateDoor {
  readonly kind: "gateway-state";
  readonly gateway: string;
}
export type FunctionDoor = InvokeDoor | HttpDoor;

/** What a request asks of the gateway, told from its method, path and query alone. */
export type Door =
  | FunctionDoor
  | { readonly kind: "explain" }
  | StateDoor
  | { readonly kind: "healthz" }
  | { readonly kind: "readyz" }
  /** The management API, which federators serve. */
  | { readonly kind: "control" }
  | { readonly kind: "method-not-allowed"; readonly allow: string }
  | { readonly kind: "not-found" }
  /** The request cannot be read in one way alone. */
  | { readonly kind: "malformed"; readonly code: ErrorCode; readonly reason: string };

const NAME = new RegExp(NAME_PATTERN);
const INVOKE_PATH = /^\/v1\/tenants\/([^/]+)\/functions\/([^/:]+):invoke$/;
const STATE_PATH = /^\/v1\/gateways\/([^/]+)\/state$/;
const HTTP_PATH = /^\/fn\/([^/]+)\/([^/@]+)(?:@([^/]+))?(\/.*)?$/;
/** No others: TRACE reflects credentials, CONNECT would make it an open proxy, and caches do not know those of WebDAV. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const METHODS_SERVED = new Set(METHODS);
export const ALLOWED_METHODS = METHODS.join(", ");

export function matchRoute(method: string, path: string, rawQuery: string): Door {
  if (!METHODS_SERVED.has(method)) return { kind: "method-not-allowed", allow: ALLOWED_METHODS };
  if (path.startsWith("/fn/")) return matchHttpDoor(path);
  if (path.startsWith("/v1/")) return matchApi(method, path, rawQuery);
  switch (path) {
    case "/healthz":
    case "/readyz":
      if (method !== "GET" && method !== "HEAD")
        return { kind: "method-not-allowed", allow: "GET, HEAD" };
      return { kind: path === "/healthz" ? "healthz" : "readyz" };
    case "/openapi.json":
      return { kind: "control" };
    default:
      return { kind: "not-found" };
  }
}

function matchHttpDoor(path: string): Door {
  const [, tenant = "", functionName = "", alias = LIVE_ALIAS, below = "/"] =
    HTTP_PATH.exec(path) ?? [];
  if (!areNames(tenant, functionName, alias)) return { kind: "not-found" };
  return { kind: "http", tenant, functionName, alias, path: below };
}

function matchApi(method: string, path: string, rawQuery: string): Door {
  if (path === "/v1/route:explain")
    return method === "GET" ? { kind: "explain" } : { kind: "method-not-allowed", allow: "GET" };
  const [, gateway] = STATE_PATH.exec(path) ?? [];
  if (gateway !== undefined) return matchState(method, gateway);
  const matched = INVOKE_PATH.exec(path);
  if (matched === null) return { kind: "control" };

  const [, tenant = "", functionName = ""] = matched;
  const alias = queryValue(rawQuery, "alias") ?? LIVE_ALIAS;
  if (!areNames(tenant, functionName, alias)) return { kind: "not-found" };
  if (method !== "POST") return { kind: "method-not-allowed", allow: "POST" };
  return { kind: "invoke", tenant, functionName, alias };
}

function matchState(method: string, gateway: string): Door {
  if (!areNames(gateway)) return { kind: "not-found" };
  return method === "GET"
    ? { kind: "gateway-state", gateway }
    : { kind: "method-not-allowed", allow: "GET" };
}

/** The first value of a query parameter. */
export function queryValue(rawQuery: string, name: string): string | undefined {
  if (rawQuery === "" || !rawQuery.includes(name)) return undefined;
  return new URLSearchParams(rawQuery).get(name) ?? undefined;
}

const areNames = (...names: readonly string[]): boolean => names.every((name) => NAME.test(name));
