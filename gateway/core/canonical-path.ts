/** The one form of a request target that is both decided on and forwarded; `refused` carries the reason. */
export type CanonicalTarget =
  | { readonly kind: "canonical"; readonly path: string; readonly rawQuery: string }
  | { readonly kind: "refused"; readonly reason: string };

/** Nothing in it can mean something else to whoever reads the path next. */
const PLAIN_PATH = /^\/[A-Za-z0-9_~:@!$&'()*+,;=/-]*$/;
/** Percent-encoded, these mean the same as plain, so they are written plain (RFC 3986, 6.2.2.2). */
const UNRESERVED = /^[A-Za-z0-9_.~-]$/;

/**
 * Dot segments, empty segments, backslashes and anything that decodes to one of them are refused rather than repaired: a path
 * that two parsers can read differently is an attack or a mistake. `origin` is that of the connection and the Host header, for targets in absolute form.
 */
export function canonicalTarget(target: string, origin: string): CanonicalTarget {
  const local = stripAuthority(target, origin);
  if (local === undefined) return refused("the request target must be a path of this host");

  const queryAt = local.indexOf("?");
  const rawPath = queryAt === -1 ? local : local.slice(0, queryAt);
  const rawQuery = queryAt === -1 ? "" : local.slice(queryAt + 1);
  if (hasForbiddenCharacter(rawQuery))
    return refused("the query has a character that is not allowed");
  if (PLAIN_PATH.test(rawPath) && !rawPath.includes("//"))
    return { kind: "canonical", path: rawPath, rawQuery };

  if (rawPath.includes("\\") || hasForbiddenCharacter(rawPath))
    return refused("the path has a character that is not allowed");
  const path = normalizeEscapes(rawPath);
  if (path === undefined) return refused("the path has an escape that is broken or not allowed");
  const segments = path.slice(1).split("/");
  if (segments.some((segment, index) => segment === "" && index < segments.length - 1))
    return refused("the path has an empty segment");
  if (segments.some((segment) => segment === "." || segment === ".."))
    return refused("the path has a dot segment");
  return { kind: "canonical", path, rawQuery };
}

const refused = (reason: string): CanonicalTarget => ({ kind: "refused", reason });

/** HTTP/1.1 servers must take `http://host/path`, as proxies are sent it; another host there is refused. */
function stripAuthority(target: string, origin: string): string | undefined {
  if (target.startsWith("/")) return target;
  if (!target.toLowerCase().startsWith(`${origin.toLowerCase()}/`)) return undefined;
  return target.slice(origin.length);
}

/** Controls, space, anything beyond ASCII, and `#`, which no client sends. */
function hasForbiddenCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return true;
  }
  return false;
}

/** Undefined for broken escapes, for those of `/`, `\` and controls, and for what is not UTF-8. */
function normalizeEscapes(path: string): string | undefined {
  let isAllowed = true;
  const normalized = path.replaceAll(/%([^%]{0,2})/g, (escape, digits: string) => {
    const code = /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
    if (code < 0x20 || code === 0x7f || code === 0x2f || code === 0x5c) {
      isAllowed = false;
      return escape;
    }
    const character = String.fromCharCode(code);
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
  return isAllowed && isUtf8(normalized) ? normalized : undefined;
}

/** Other bytes are read differently by different parsers: overlong forms of `/` among them. */
function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
