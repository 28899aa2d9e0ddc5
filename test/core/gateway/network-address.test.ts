import assert from "node:assert/strict";
import { test } from "node:test";
import { clientAddress, clientScheme } from "../../../gateway/core/client-address.ts";
import { isWithin, parseAddress, parseNetwork } from "../../../gateway/core/network-address.ts";

const addresses: readonly (readonly [text: string, canonical: string | undefined])[] = [
  ["203.0.113.9", "203.0.113.9"],
  [" 203.0.113.9 ", "203.0.113.9"],
  ["203.0.113.9:443", "203.0.113.9"],
  ["::ffff:203.0.113.9", "203.0.113.9"],
  ["::ffff:cb00:7109", "203.0.113.9"],
  ["64:ff9b::203.0.113.9", "203.0.113.9"],
  ["[2001:db8::1]:443", "2001:db8::1"],
  ["2001:DB8::1", "2001:db8::1"],
  ["fe80::1%eth0", "fe80::1"],
  ["::", "::"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ["203.0.113.256", undefined],
  ["203.0.113.09", undefined],
  ["203.0.113", undefined],
  ["0x7f.0.0.1", undefined],
  ["2130706433", undefined],
  ["1:2:3:4:5:6:7:8:9", undefined],
  ["1::2::3", undefined],
  ["1:2:3:4:5:6:7::8", undefined],
  ["::g", undefined],
  ["unknown", undefined],
  ["_hidden", undefined],
  ["", undefined],
  [":", undefined],
  ["[::1", undefined],
];

for (const [text, canonical] of addresses)
  test(`${JSON.stringify(text)} is ${canonical ?? "no address"}`, () => {
    assert.equal(parseAddress(text)?.text, canonical);
  });

const networks: readonly (readonly [network: string, address: string, isInside: boolean])[] = [
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.0.0.0/8", "::ffff:10.1.2.3", true],
  ["127.0.0.1", "127.0.0.1", true],
  ["127.0.0.1", "127.0.0.2", false],
  ["0.0.0.0/0", "203.0.113.9", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["2001:db8::/32", "2001:db8:ffff::1", true],
  ["2001:db8::/32", "2001:db9::1", false],
];

for (const [network, address, isInside] of networks)
  test(`${address} is ${isInside ? "inside" : "outside"} ${network}`, () => {
    const parsed = parseAddress(address);
    const within = parseNetwork(network);
    assert.ok(parsed !== undefined && within !== undefined);
    assert.equal(isWithin(parsed, [within]), isInside);
  });

test("what is no network is not taken for one", () => {
  for (const text of [
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "::/129",
    "proxy.example",
  ])
    assert.equal(parseNetwork(text), undefined, text);
});

const TRUSTED = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map((text) => {
  const network = parseNetwork(text);
  assert.ok(network !== undefined);
  return network;
});

interface Spoof {
  readonly name: string;
  readonly peer: string;
  readonly forwardedFor?: string;
  readonly client: string | undefined;
}
const spoofs: readonly Spoof[] = [
  { name: "a direct caller is itself", peer: "203.0.113.9", client: "203.0.113.9" },
  {
    name: "a direct caller cannot claim to be another",
    peer: "203.0.113.9",
    forwardedFor: "8.8.8.8",
    client: "203.0.113.9",
  },
  {
    name: "behind a trusted proxy the client counts",
    peer: "10.0.0.1",
    forwardedFor: "203.0.113.9",
    client: "203.0.113.9",
  },
  {
    name: "what the client wrote before itself does not",
    peer: "10.0.0.1",
    forwardedFor: "8.8.8.8, 203.0.113.9",
    client: "203.0.113.9",
  },
  {
    name: "trusted hops in between are skipped",
    peer: "127.0.0.1",
    forwardedFor: "8.8.8.8, 203.0.113.9, 10.9.9.9",
    client: "203.0.113.9",
  },
  {
    name: "a mapped peer is its IPv4 self",
    peer: "::ffff:10.0.0.1",
    forwardedFor: "203.0.113.9",
    client: "203.0.113.9",
  },
  {
    name: "a mapped client is its IPv4 self",
    peer: "10.0.0.1",
    forwardedFor: "::ffff:203.0.113.9",
    client: "203.0.113.9",
  },
  {
    name: "ports and brackets are dropped",
    peer: "fd00::1",
    forwardedFor: "[2001:db8::7]:443",
    client: "2001:db8::7",
  },
  {
    name: "a malformed nearest hop tells nothing",
    peer: "10.0.0.1",
    forwardedFor: "203.0.113.9, unknown",
    client: undefined,
  },
  {
    name: "malformed hops left of the client do not matter",
    peer: "10.0.0.1",
    forwardedFor: "junk, 203.0.113.9",
    client: "203.0.113.9",
  },
  {
    name: "a chain of trusted hops ends at the first of it",
    peer: "10.0.0.1",
    forwardedFor: "10.0.0.7, 10.0.0.8",
    client: "10.0.0.7",
  },
  {
    name: "a private client behind an untrusted hop is not reached",
    peer: "10.0.0.1",
    forwardedFor: "10.0.0.7, 198.51.100.2",
    client: "198.51.100.2",
  },
  { name: "an empty header tells nothing", peer: "10.0.0.1", forwardedFor: "", client: undefined },
  {
    name: "an endless chain is read from its near end only",
    peer: "10.0.0.1",
    forwardedFor: `203.0.113.9, ${"10.0.0.2, ".repeat(1_000)}10.0.0.3`,
    client: "10.0.0.2",
  },
  {
    name: "a peer that is no address is nobody",
    peer: "",
    forwardedFor: "203.0.113.9",
    client: undefined,
  },
];

for (const { name, peer, forwardedFor, client } of spoofs)
  test(name, () => {
    assert.equal(clientAddress(peer, forwardedFor, TRUSTED).client?.text, client);
  });

const hops: readonly (readonly [
  peer: string,
  forwardedFor: string | undefined,
  proxies: number,
])[] = [
  ["203.0.113.9", "8.8.8.8", 0],
  ["10.0.0.1", undefined, 1],
  ["10.0.0.1", "8.8.8.8", 1],
  ["10.0.0.1", "1.2.3.4, 8.8.8.8, 10.0.0.2", 2],
  ["10.0.0.1", "not an address, 10.0.0.2", 2],
];
for (const [peer, forwardedFor, proxies] of hops)
  test(`from ${peer} with ${forwardedFor ?? "nothing"} forwarded, ${proxies} proxies are believed`, () => {
    assert.equal(clientAddress(peer, forwardedFor, TRUSTED).proxies, proxies);
  });

const schemes: readonly (readonly [
  said: string | undefined,
  proxies: number,
  scheme: "http" | "https",
])[] = [
  [undefined, 1, "http"],
  ["https", 0, "http"],
  ["https", 1, "https"],
  ["HTTPS ", 1, "https"],
  ["https, http", 2, "https"],
  ["https, http", 1, "http"],
  ["https", 2, "https"],
  ["https, http, http", 2, "http"],
  ["wss", 1, "http"],
  ["", 1, "http"],
];
for (const [said, proxies, scheme] of schemes)
  test(`"${said ?? "nothing"}" by ${proxies} believed proxies over plain HTTP means ${scheme}`, () => {
    assert.equal(clientScheme("http", said, proxies), scheme);
  });
