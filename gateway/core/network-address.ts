/** An IPv4 or IPv6 address as a number; IPv4 inside IPv6 (mapped, NAT64) is taken for the IPv4 address it means. */
export interface NetworkAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
  /** As it is looked up and shown: no port, zone or brackets. */
  readonly text: string;
}

export interface Network {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly prefixBits: number;
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const MAPPED_PREFIX = 0xffffn;
const NAT64_PREFIX = 0x64ff9bn << 64n;
const LOW_32_BITS = 0xffff_ffffn;

/** Undefined for anything that is not an address; brackets, a port and an IPv6 zone are dropped. */
export function parseAddress(text: string): NetworkAddress | undefined {
  const bare = withoutPort(text.trim());
  if (!bare.includes(":")) return ipv4(parseIpv4(bare));
  const value = parseIpv6(bare.replace(/%.*$/s, ""));
  if (value === undefined) return undefined;
  const high = value >> 32n;
  if (high === MAPPED_PREFIX || high === NAT64_PREFIX) return ipv4(value & LOW_32_BITS);
  return { family: 6, value, text: bare.replace(/%.*$/s, "").toLowerCase() };
}

/** `10.0.0.0/8`, `fd00::/8`, or one address; undefined for anything else. */
export function parseNetwork(text: string): Network | undefined {
  const [addressText = "", bitsText, ...rest] = text.split("/");
  const address = parseAddress(addressText);
  if (address === undefined || rest.length > 0) return undefined;
  const widthBits = address.family === 4 ? 32 : 128;
  if (bitsText !== undefined && !/^\d{1,3}$/.test(bitsText)) return undefined;
  const prefixBits = bitsText === undefined ? widthBits : Number(bitsText);
  if (prefixBits > widthBits) return undefined;
  return { family: address.family, value: address.value, prefixBits };
}

export function isWithin(address: NetworkAddress, networks: readonly Network[]): boolean {
  return networks.some((network) => {
    if (network.family !== address.family) return false;
    const hostBits = BigInt((network.family === 4 ? 32 : 128) - network.prefixBits);
    return address.value >> hostBits === network.value >> hostBits;
  });
}

function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return bracketed[1] ?? "";
  return /^\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}$/.test(text) ? text.slice(0, text.indexOf(":")) : text;
}

function parseIpv4(text: string): bigint | undefined {
  const octets = IPV4.exec(text)?.slice(1);
  if (octets === undefined) return undefined;
  // A leading zero is octal to some and decimal to others.
  if (octets.some((octet) => Number(octet) > 255 || (octet.length > 1 && octet.startsWith("0"))))
    return undefined;
  return octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function ipv4(value: bigint | undefined): NetworkAddress | undefined {
  if (value === undefined) return undefined;
  const octets = [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn));
  return { family: 4, value, text: octets.join(".") };
}

function parseIpv6(text: string): bigint | undefined {
  const halves = withDottedTail(text)?.split("::");
  if (halves === undefined || halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => "0"), ...(tail ?? [])];
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** `::ffff:10.0.0.1` with its last part written as two groups. */
function withDottedTail(text: string): string | undefined {
  if (!text.includes(".")) return text;
  const lastColon = text.lastIndexOf(":");
  const dotted = parseIpv4(text.slice(lastColon + 1));
  if (dotted === undefined) return undefined;
  return `${text.slice(0, lastColon + 1)}${(dotted >> 16n).toString(16)}:${(dotted & 0xffffn).toString(16)}`;
}
