/*
 * What keeps instances with a user of their own from this machine's ports, though they share its network: one nftables table of the
 * launcher's, which knows them by their user. It looks at the first packet of a connection alone, because following connections
 * would cost every packet of the machine, those of the gateways included.
 */

/** The users of one agent's instances. */
export interface UserRange {
  readonly from: number;
  readonly count: number;
}

/** Metadata services of clouds: IPv4's link-local addresses, and that of AWS in IPv6. */
const METADATA_V4 = "169.254.0.0/16";
const METADATA_V6 = "{ fe80::/10, fd00:ec2::254 }";
const DNS_PORT = 53;
/** Loopback addresses 127.64.0.0 and up, of which each user has one. */
const DOOR_ADDRESSES_FROM = 64;
const DOOR_ADDRESSES_BITS = 22;

/** Where the Runtime API of the instance with that user listens: an address that no other instance may connect to. */
export function doorAddress(user: number): string {
  const place = user % 2 ** DOOR_ADDRESSES_BITS;
  return ["127", DOOR_ADDRESSES_FROM + (place >> 16), (place >> 8) & 255, place & 255].join(".");
}

/**
 * Commands for `nft -i`, on one line. The table is owned by the process that reads them: nobody else can change it, and it goes
 * with that process, however that ends.
 */
export function networkRules(table: string, users: UserRange): string {
  const pairs = Array.from({ length: users.count }, (_, index) => {
    const user = users.from + index;
    return `${user} . ${doorAddress(user)}`;
  });
  const rule = (words: string) => `add rule inet ${table} instances ${words}`;
  return [
    `add table inet ${table} { flags owner; }`,
    `add set inet ${table} doors { typeof meta skuid . ip daddr; elements = { ${pairs.join(", ")} }; }`,
    `add chain inet ${table} instances`,
    rule("meta skuid . ip daddr @doors accept"),
    rule(`oif lo meta l4proto { tcp, udp } th dport ${DNS_PORT} accept`),
    // An instance that is a server answers on loopback: what it sends there is never a first packet.
    rule("oif lo meta l4proto tcp tcp flags & (syn | ack) == syn reject with tcp reset"),
    rule("oif lo meta l4proto != tcp reject"),
    rule(`ip daddr ${METADATA_V4} meta l4proto tcp reject with tcp reset`),
    rule(`ip daddr ${METADATA_V4} reject`),
    rule(`ip6 daddr ${METADATA_V6} reject`),
    `add chain inet ${table} output { type filter hook output priority 0; policy accept; }`,
    `add rule inet ${table} output meta skuid ${users.from}-${users.from + users.count - 1} jump instances`,
  ].join("; ");
}

/** Has nft say what is in force of the table: the chain that all else hangs on, or an error. */
export const listRules = (table: string): string => `list chain inet ${table} output`;

/** Whether the table is in what nft said; an error only repeats, in the midst of a line, what it was told. */
export const areInForce = (table: string, said: string): boolean =>
  said.split("\n").some((line) => line.startsWith(`table inet ${table} {`));
