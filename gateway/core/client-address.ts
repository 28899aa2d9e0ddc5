import { isWithin, type Network, type NetworkAddress, parseAddress } from "./network-address.ts";

/** A longer chain is not read further: whoever writes it is not one of our proxies. */
const HOPS_MAX = 32;

export interface Hop {
  /** The nearest hop that is not a trusted proxy; undefined when it cannot be told. */
  readonly client: NetworkAddress | undefined;
  /** Trusted proxies on the way from it to here; only where there is one may headers of proxies be believed. */
  readonly proxies: number;
}

/**
 * Who called: the peer of the connection, unless that is a trusted proxy; then the rightmost address in `X-Forwarded-For` that
 * is none. What stands left of it was written by the caller and is never believed.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  trustedProxies: readonly Network[],
): Hop {
  let client = parseAddress(peer);
  if (client === undefined || !isWithin(client, trustedProxies)) return { client, proxies: 0 };

  const hops = forwardedFor?.split(",").slice(-HOPS_MAX).toReversed() ?? [];
  let proxies = 1;
  for (const [index, hop] of hops.entries()) {
    proxies = index + 1;
    client = parseAddress(hop);
    if (client === undefined || !isWithin(client, trustedProxies)) break;
  }
  return { client, proxies };
}

/**
 * Whether the caller's own connection was over TLS, as the outermost trusted proxy has it in `X-Forwarded-Proto`; each proxy adds
 * its word at the right, or leaves the one that is there.
 */
export function clientScheme(
  own: "http" | "https",
  forwardedProto: string | undefined,
  proxies: number,
): "http" | "https" {
  if (proxies === 0 || forwardedProto === undefined) return own;
  const words = forwardedProto.split(",").map((word) => word.trim().toLowerCase());
  const word = words[Math.max(0, words.length - proxies)];
  return word === "http" || word === "https" ? word : own;
}
