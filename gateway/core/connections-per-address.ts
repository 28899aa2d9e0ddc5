import { isWithin, type Network, type NetworkAddress, parseAddress } from "./network-address.ts";

/** Counts the connections that each address has open. */
export interface ConnectionCount {
  /** Gives the function that counts the connection's end; undefined: it is one too many. */
  readonly enter: (peer: string) => (() => void) | undefined;
}

/** Whoever has one address of IPv6 has all of its network: it is these bits that count as one caller. */
const NETWORK_BITS = 64n;

/** Trusted proxies bring everybody's connections, and are not held to `max`. */
export function createConnectionCount(max: number, trusted: readonly Network[]): ConnectionCount {
  const counts = new Map<string, number>();
  return {
    enter: (peer) => {
      const address = parseAddress(peer);
      const key = address === undefined ? "" : blockOf(address);
      const count = counts.get(key) ?? 0;
      if (count >= max && !(address !== undefined && isWithin(address, trusted))) return undefined;
      counts.set(key, count + 1);
      let isOpen = true;
      return () => {
        if (!isOpen) return;
        isOpen = false;
        const left = (counts.get(key) ?? 1) - 1;
        if (left === 0) counts.delete(key);
        else counts.set(key, left);
      };
    },
  };
}

const blockOf = ({ family, value, text }: NetworkAddress): string =>
  family === 4 ? text : (value >> NETWORK_BITS).toString(16);
