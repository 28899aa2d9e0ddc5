import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { countryCentroids } from "../../../gateway/core/country-centroids.ts";
import { distanceKilometres } from "#lib/great-circle.ts";
import {
  type CallerClues,
  locateCaller,
  nearGateway,
} from "../../../gateway/core/locate-caller.ts";
import { parseAddress } from "../../../gateway/core/network-address.ts";
import { apSouth, euWest, euWestB, threeZones, usEast } from "./zones.ts";

const countries: Readonly<Record<string, string>> = {
  "8.8.8.8": "US",
  "203.0.113.9": "IN",
  "2001:db8::1": "BR",
  "198.51.100.1": "ZZ",
};
const geography = {
  zones: [...threeZones, euWestB],
  gatewayZone: apSouth,
  countryOf: (address: string) => countries[address],
};
const none: CallerClues = {
  region: undefined,
  affinityZone: undefined,
  homeRegion: undefined,
  edgeCountry: undefined,
  address: undefined,
};
const at = (address: string) => parseAddress(address);

interface Case {
  readonly name: string;
  readonly clues: Partial<CallerClues>;
  readonly source: string;
  readonly value: string;
}
const cases: readonly Case[] = [
  {
    name: "a named zone comes first",
    clues: { region: "us-east", edgeCountry: "DE", address: at("203.0.113.9") },
    source: "explicit",
    value: "us-east",
  },
  {
    name: "a zone that is not named for its region can be named too",
    clues: { region: "eu-west-b" },
    source: "explicit",
    value: "eu-west-b",
  },
  {
    name: "then the zone of its affinity token",
    clues: { affinityZone: "eu-west", homeRegion: "us-east", edgeCountry: "DE" },
    source: "affinity",
    value: "eu-west",
  },
  {
    name: "a token of a zone that is gone says nothing",
    clues: { affinityZone: "mars", homeRegion: "us-east" },
    source: "tenant-home",
    value: "us-east",
  },
  {
    name: "then the home of its tenant",
    clues: { homeRegion: "eu-west-b", edgeCountry: "US", address: at("8.8.8.8") },
    source: "tenant-home",
    value: "eu-west-b",
  },
  {
    name: "then the country of a trusted edge",
    clues: { edgeCountry: "de", address: at("203.0.113.9") },
    source: "edge-header",
    value: "DE",
  },
  {
    name: "an edge that does not know says nothing",
    clues: { edgeCountry: "XX", address: at("203.0.113.9") },
    source: "address",
    value: "IN",
  },
  {
    name: "nor does Tor's T1",
    clues: { edgeCountry: "T1" },
    source: "gateway-zone",
    value: "ap-south",
  },
  {
    name: "then the country of the address",
    clues: { address: at("8.8.8.8") },
    source: "address",
    value: "US",
  },
  {
    name: "an IPv4 address in IPv6 is itself",
    clues: { address: at("::ffff:8.8.8.8") },
    source: "address",
    value: "US",
  },
  {
    name: "a private address leads to the gateway's own zone",
    clues: { address: at("192.168.1.1") },
    source: "gateway-zone",
    value: "ap-south",
  },
  {
    name: "a country without a point does too",
    clues: { address: at("198.51.100.1") },
    source: "gateway-zone",
    value: "ap-south",
  },
  {
    name: "nothing known leads to the gateway's own zone",
    clues: {},
    source: "gateway-zone",
    value: "ap-south",
  },
];

for (const { name, clues, source, value } of cases)
  test(name, () => {
    const located = locateCaller({ ...none, ...clues }, geography);
    const { origin } =
      located.kind === "located" ? located.location : nearGateway(apSouth, geography);
    assert.deepEqual([origin.source, origin.value], [source, value]);
  });

test("a caller of whom nothing is known is where the gateway's way is shortest", () => {
  const { origin, originZone } = nearGateway(usEast, geography);
  assert.deepEqual([origin.source, origin.value, originZone], ["round-trip", "us-east", "us-east"]);
});

test("whoever names a zone is counted with its callers, whatever lies in the same place", () => {
  const twin = { ...apSouth, name: "ap-south-b", clusterId: "ap-south-b-1" };
  const located = locateCaller(
    { ...none, region: "ap-south-b" },
    { ...geography, zones: [...geography.zones, twin] },
  );
  assert.ok(located.kind === "located");
  assert.equal(located.location.originZone, "ap-south-b");
});

const biases: readonly (readonly [eu: number, us: number, originZone: string])[] = [
  [0, 0, "us-east"],
  [50, 0, "eu-west"],
  [0, -99, "eu-west"],
  [-50, -50, "us-east"],
];
for (const [eu, us, expected] of biases)
  test(`with a bias of ${eu} and ${us}, Canada's callers are counted with ${expected}`, () => {
    const zones = [
      { ...euWest, biasPercent: eu },
      { ...usEast, biasPercent: us },
    ];
    const located = locateCaller({ ...none, edgeCountry: "CA" }, { ...geography, zones });
    assert.ok(located.kind === "located");
    assert.equal(located.location.originZone, expected);
  });

test("a region that does not exist is told, not guessed", () => {
  for (const region of ["mars", "", "eu", "__proto__"])
    assert.deepEqual(locateCaller({ ...none, region }, geography), {
      kind: "region-unknown",
      region,
    });
});

test("every country of ISO 3166-1 has a point, and no point is off the globe", () => {
  const list = "/usr/share/zoneinfo/iso3166.tab";
  const codes = readCountryCodes(list) ?? [...countryCentroids.keys()];
  for (const code of codes) assert.ok(countryCentroids.has(code), code);
  assert.equal(countryCentroids.size, 249);
  for (const [code, { latitudeDegrees, longitudeDegrees }] of countryCentroids) {
    assert.match(code, /^[A-Z]{2}$/);
    assert.ok(Math.abs(latitudeDegrees) <= 90 && Math.abs(longitudeDegrees) <= 180, code);
  }
});

function readCountryCodes(path: string): string[] | undefined {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.filter((line) => /^[A-Z]{2}\t/.test(line)).map((line) => line.slice(0, 2));
  } catch {
    return undefined;
  }
}

const nearest: readonly (readonly [country: string, zone: string])[] = [
  ["DE", "eu-west"],
  ["GB", "eu-west"],
  ["IS", "eu-west"],
  ["SN", "eu-west"],
  ["US", "us-east"],
  ["CA", "us-east"],
  ["BR", "us-east"],
  ["CU", "us-east"],
  ["IN", "ap-south"],
  ["SG", "ap-south"],
  ["AU", "ap-south"],
  ["KE", "ap-south"],
  ["AE", "ap-south"],
];

for (const [country, expected] of nearest)
  test(`${country} is nearest to ${expected}`, () => {
    const point = countryCentroids.get(country);
    assert.ok(point !== undefined);
    const [zone] = threeZones.toSorted(
      (one, other) => distanceKilometres(point, one) - distanceKilometres(point, other),
    );
    assert.equal(zone?.name, expected);
  });

test("distances are those of the globe", () => {
  assert.equal(distanceKilometres(euWest, euWest), 0);
  assert.ok(Math.abs(distanceKilometres(euWest, usEast) - 5_450) < 60);
  const antipodes = distanceKilometres(
    { latitudeDegrees: 0, longitudeDegrees: 179 },
    { latitudeDegrees: 0, longitudeDegrees: -179 },
  );
  assert.ok(antipodes < 230);
});
