import { isWithin, type Network, type NetworkAddress, parseAddress } from "./network-address.ts";

/** A longer chain is not read further: whoever writes it is not one of our proxies. */
const HOPS_MAX = 32;

export interface Hop {
  /** The nearest hop that is not a trusted proxy; undefined when it cannot be told. */
  readonly client: NetworkAddress | undefined;
  /** Whether the connection itself came from a trusted proxy, whose headers may be believed. */
  readonly viaTrustedProxy: boolean;
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
  const peerAddress = parseAddress(peer);
  const viaTrustedProxy = peerAddress !== undefined && isWithin(peerAddress, trustedProxies);
  if (!viaTrustedProxy || forwardedFor === undefined)
    return { client: peerAddress, viaTrustedProxy };

  let client: NetworkAddress | undefined = peerAddress;
  for (const hop of forwardedFor.split(",").slice(-HOPS_MAX).toReversed()) {
    client = parseAddress(hop);
    if (client === undefined || !isWithin(client, trustedProxies)) break;
  }
  return { client, viaTrustedProxy };
}
