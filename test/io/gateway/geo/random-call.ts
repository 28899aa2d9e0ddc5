import type { Zone } from "#lib/contracts/zone.ts";
import type { SeededRandom } from "../../../simulation/engine/seeded-random.ts";

/** All that may bear upon where one call goes. */
export interface GeoCase {
  readonly zones: readonly Zone[];
  readonly gatewayZone: Zone;
  readonly failover: "on" | "off";
  readonly clusters: readonly ClusterCase[];
  readonly placement: {
    readonly regions: readonly string[];
    readonly spread?: "nearest" | "even";
    readonly failback?: "manual" | "automatic";
  };
  readonly awaitsFailback: readonly string[];
  readonly homeRegion: string | undefined;
  readonly isUnconfirmed: boolean;
  readonly peer: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly regionQuery: string | undefined;
  /** What chance has in store, in order. */
  readonly chances: readonly [number, number];
}

export interface ClusterCase {
  readonly clusterId: string;
  /** Of the table; a cluster that it does not have is `missing`. */
  readonly state: "up" | "down" | "unseen" | "missing";
  readonly mode: "in-service" | "draining" | "quarantined";
  readonly weightPercent: number;
  readonly isOverlaid: boolean;
  readonly pings: "good" | "unknown" | "avoid" | "absent";
  readonly roundTripMs: number | undefined;
  readonly isTripped: boolean;
  readonly openForMs: number;
  readonly isFull: boolean;
  readonly inFlight: number;
}

/** One in so many things is out of order, so that many cases get far. */
const RARELY = 0.06;
/** A small world, so that clues hit and miss: the addresses that the country database knows. */
export const COUNTRIES: Readonly<Record<string, string>> = {
  "8.8.8.8": "US",
  "49.36.0.1": "IN",
  "193.0.6.139": "NL",
  "198.51.100.1": "ZZ",
  "2001:db8::1": "BR",
  "2606:4700::1111": "AU",
  "10.1.1.1": "JP",
};
export const TRUSTED = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8", "::1/128"];

const ADDRESSES = [
  "8.8.8.8",
  "8.8.8.8:4711",
  " 49.36.0.1 ",
  "193.0.6.139",
  "198.51.100.1",
  "192.168.7.7",
  "100.64.0.1",
  "169.254.1.1",
  "::ffff:8.8.8.8",
  "64:ff9b::49.36.0.1",
  "::FFFF:a00:101",
  "2001:db8::1",
  "2001:DB8:0:0:0:0:0:1",
  "[2606:4700::1111]:443",
  "2606:4700::1111",
  "fe80::1%eth0",
  "fd12::9",
  "10.1.1.1",
  "127.0.0.1",
  "unknown",
  "_hidden",
  "08.8.8.8",
  "",
] as const;
const PEERS = ["127.0.0.1", "::ffff:10.9.9.9", "::1", "fd00::5", "8.8.8.8", "2001:db8::1"] as const;

export function randomZones(random: SeededRandom): readonly Zone[] {
  const zones: Zone[] = [];
  const count = 1 + random.index(5);
  for (let index = 0; index < count; index += 1) {
    const name = `zone-${"abcde"[index]}`;
    const near = zones.length > 0 && random.chance(0.4) ? zones[random.index(zones.length)] : null;
    const region = near != null && random.chance(0.5) ? near.region : `region-${index}`;
    zones.push({
      name,
      region: random.chance(0.3) ? name : region,
      jurisdiction: random.pick(["eu", "us", "in"]),
      clusterId: `${name}-1`,
      // Some in one place, some next door, the others anywhere.
      latitudeDegrees: near?.latitudeDegrees ?? random.between(-85, 85),
      longitudeDegrees:
        near == null
          ? random.between(-180, 180)
          : Math.min(
              180,
              near.longitudeDegrees + random.pick([0, random.next(), 4 * random.next()]),
            ),
      ...(random.chance(0.3) && { biasPercent: random.index(199) - 99 }),
    });
  }
  return zones;
}

export function randomCase(
  zones: readonly Zone[],
  failover: "on" | "off",
  random: SeededRandom,
): GeoCase {
  const gatewayZone = zones[0];
  if (gatewayZone === undefined) throw new Error("there is a zone");
  const names = zones.flatMap(({ name, region, jurisdiction }) => [name, region, jurisdiction]);
  const nameOrNot = (): string => random.pick([anyOf(names, random), anyOf(names, random), "mars"]);
  const headers: Record<string, string> = { host: "localhost:8080" };
  if (random.chance(0.7))
    headers["x-forwarded-for"] = Array.from({ length: 1 + random.index(3) }, () =>
      random.pick(ADDRESSES),
    ).join(random.pick([",", ", "]));
  if (random.chance(0.2)) headers["cf-ipcountry"] = random.pick(["DE", "jp", "XX", "T1", "", "US"]);
  if (random.chance(0.1)) headers["x-client-region"] = random.pick(["BR", "??"]);
  if (random.chance(0.12)) headers["meridian-region"] = nameOrNot();
  if (random.chance(0.12))
    headers["host"] = `${random.pick([nameOrNot(), "www"])}.functions.example:8080`;
  if (random.chance(0.25))
    headers["meridian-affinity"] = random.pick([
      "new",
      `${anyOf(names, random)}.${Math.floor(random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, "0")}`,
      "zone-a.xyz",
      `gone.${"0".repeat(8)}`,
    ]);
  return {
    zones,
    gatewayZone,
    failover,
    clusters: zones.map(({ clusterId }) => randomCluster(clusterId, random)),
    placement: {
      regions: random.chance(0.6) ? [] : names.filter(() => random.chance(0.2)).concat("mars"),
      ...(random.chance(0.4) && { spread: random.pick(["nearest", "even"]) }),
      ...(random.chance(0.4) && { failback: random.pick(["manual", "automatic"]) }),
    },
    awaitsFailback: zones.map(({ clusterId }) => clusterId).filter(() => random.chance(0.2)),
    homeRegion: random.chance(0.15) ? nameOrNot() : undefined,
    isUnconfirmed: random.chance(0.05),
    peer: random.pick(PEERS),
    headers,
    regionQuery: random.chance(0.12) ? nameOrNot() : undefined,
    chances: [random.next(), random.next()],
  };
}

function randomCluster(clusterId: string, random: SeededRandom): ClusterCase {
  const cluster: ClusterCase = {
    clusterId,
    state: random.chance(3 * RARELY) ? random.pick(["down", "unseen"]) : "up",
    mode: random.chance(2 * RARELY) ? random.pick(["draining", "quarantined"]) : "in-service",
    weightPercent: random.chance(0.25) ? random.pick([0, 10, 40, 70]) : 100,
    isOverlaid: random.chance(RARELY),
    pings: random.chance(2 * RARELY) ? random.pick(["unknown", "avoid", "absent"]) : "good",
    roundTripMs: random.chance(RARELY) ? undefined : random.pick([0.3, 0.4, 8, 30, 31, 90, 150]),
    isTripped: random.chance(RARELY),
    openForMs: random.chance(2 * RARELY) ? 1 + random.index(50_000) : 0,
    isFull: random.chance(RARELY),
    inFlight: random.chance(0.3) ? random.index(20) : 0,
  };
  const isMissing = random.chance(RARELY);
  return isMissing
    ? { ...cluster, state: "missing", mode: "in-service", weightPercent: 0 }
    : cluster;
}

const anyOf = (names: readonly string[], random: SeededRandom): string =>
  names[random.index(names.length)] ?? "";
