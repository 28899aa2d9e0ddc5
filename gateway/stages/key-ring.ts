import type { KeyRoute } from "#lib/contracts/route-table.ts";
import { hashApiKey } from "#lib/api-key.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";
import { findKey } from "../core/look-up.ts";

/** Keys of this many recent callers are found without hashing. */
const REMEMBERED_MAX = 10_000;
const BEARER = /^Bearer +([\x21-\x7e]{1,256})$/i;

/** Whose key an `Authorization` header carries; undefined when it carries none that the table knows. */
export type KeyRing = (
  authorization: string | undefined,
  entries: RouteEntries,
) => KeyRoute | undefined;

/** Remembers valid keys only, and only as long as the table they were found in: a revoked key is gone with it. */
export function createKeyRing(): KeyRing {
  const remembered = new Map<string, KeyRoute>();
  let rememberedFrom: RouteEntries | undefined;
  return (authorization, entries) => {
    if (entries !== rememberedFrom) {
      remembered.clear();
      rememberedFrom = entries;
    }
    if (authorization === undefined) return undefined;
    const known = remembered.get(authorization);
    if (known !== undefined) return known;

    const apiKey = BEARER.exec(authorization)?.[1];
    const key = apiKey === undefined ? undefined : findKey(entries, hashApiKey(apiKey));
    if (key === undefined) return undefined;
    if (remembered.size >= REMEMBERED_MAX) {
      const [oldest] = remembered.keys();
      if (oldest !== undefined) remembered.delete(oldest);
    }
    remembered.set(authorization, key);
    return key;
  };
}
