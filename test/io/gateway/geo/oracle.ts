import { BlockList, isIP, isIPv4 } from "node:net";
import type { Zone } from "#lib/contracts/zone.ts";
import { countryCentroids } from "../../../../gateway/core/country-centroids.ts";
import { type ClusterCase, COUNTRIES, type GeoCase, TRUSTED } from "./random-call.ts";

/*
 * Where a call must go, written a second time from the documents (docs/placement-and-failover.md, "Where the caller is" and "How
 * shares come about") and as plainly as possible. Of the gateway's own code it uses the table of countries alone.
 */

export interface Verdict {
  /** Null: nowhere. */
  readonly clusterId: string | null;
  /** Undefined for a region that there is not. */
  readonly source: string | undefined;
}

/** The zone that unlocated callers are counted with, as it was held before; one for each gateway. */
export interface Held {
  zone: Zone;
}

export function whereItMustGo(given: GeoCase, held: Held): Verdict {
  const place = findCaller(given, held);
  if (place === undefined) return { clusterId: null, source: undefined };
  const { source } = place;
  const mayRun = given.zones.filter(
    ({ region, jurisdiction }) =>
      given.placement.regions.length === 0 ||
      given.placement.regions.some((one) => one === region || one === jurisdiction),
  );
  const isTooOld = given.isUnconfirmed && given.placement.regions.length > 0;
  if (mayRun.length === 0 || isTooOld) return { clusterId: null, source };
  return { clusterId: pick(given, mayRun, place) ?? null, source };
}

interface Point {
  readonly latitude: number;
  readonly longitude: number;
}
interface Place {
  readonly source: string;
  readonly point: Point;
  readonly zone: Zone;
}

function findCaller(given: GeoCase, held: Held): Place | undefined {
  const { zones, headers, gatewayZone } = given;
  const named = (name: string | undefined) =>
    zones.find((zone) => zone.name === name) ?? zones.find((zone) => zone.region === name);
  const at = (source: string, zone: Zone): Place => ({ source, point: pointOf(zone), zone });

  const hostLabel = (headers["host"] ?? "").includes(".")
    ? headers["host"]?.split(".")[0]
    : undefined;
  const asked = given.regionQuery ?? headers["meridian-region"];
  if (asked !== undefined) {
    const zone = named(asked);
    return zone && at("explicit", zone);
  }
  const byHost = named(hostLabel);
  if (byHost !== undefined) return at("explicit", byHost);

  const [tokenZone = "", tokenDraw = ""] = (headers["meridian-affinity"] ?? "").split(".");
  const sticky = tokenDraw.length === 8 ? named(tokenZone) : undefined;
  if (sticky !== undefined) return at("affinity", sticky);
  const home = named(given.homeRegion);
  if (home !== undefined) return at("tenant-home", home);

  const chain = (headers["x-forwarded-for"]?.split(",") ?? []).map(normal);
  const peer = normal(given.peer);
  const isBelieved = isTrusted(peer);
  if (isBelieved) {
    const word = headers["cf-ipcountry"] ?? headers["x-client-region"];
    const point = inCountry(word?.toUpperCase());
    if (point !== undefined) return { source: "edge-header", point, zone: closest(point, given) };
  }
  let client = peer;
  if (isBelieved) while (isTrusted(client) && chain.length > 0) client = chain.pop();
  const point = inCountry(client === undefined ? undefined : COUNTRIES[client]);
  if (point !== undefined) return { source: "address", point, zone: closest(point, given) };

  const zone = shortestWay(given, held);
  return at(zone === gatewayZone ? "gateway-zone" : "round-trip", zone);
}

/** An address as the database has it, or undefined for what is none. */
function normal(text: string): string | undefined {
  let bare = text.trim().toLowerCase().replace(/%.*$/, "");
  bare = /^\[(.*)\](:\d+)?$/.exec(bare)?.[1] ?? bare;
  if (/^[\d.]+:\d+$/.test(bare)) bare = bare.split(":")[0] ?? "";
  if (isIP(bare) === 0) return undefined;
  if (isIPv4(bare)) return bare;
  const groups = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const inside = /^(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(groups);
  if (inside === null) return groups;
  const [high = 0, low = 0] = inside.slice(1).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

const trusted = new BlockList();
for (const network of TRUSTED) {
  const [address = "", bits] = network.split("/");
  trusted.addSubnet(address, Number(bits), isIPv4(address) ? "ipv4" : "ipv6");
}
const isTrusted = (address: string | undefined): boolean =>
  address !== undefined && trusted.check(address, isIPv4(address) ? "ipv4" : "ipv6");

function inCountry(code: string | undefined): Point | undefined {
  const found = code === undefined ? undefined : countryCentroids.get(code);
  return found && { latitude: found.latitudeDegrees, longitude: found.longitudeDegrees };
}

function closest(point: Point, { zones, gatewayZone }: GeoCase): Zone {
  const least = Math.min(...zones.map((zone) => apparent(point, zone)));
  const all = zones.filter((zone) => apparent(point, zone) === least);
  return all.find((zone) => zone === gatewayZone) ?? all[0] ?? gatewayZone;
}

function shortestWay({ zones, gatewayZone, clusters }: GeoCase, held: Held): Zone {
  const way = ({ clusterId }: Zone): number =>
    clusters.find((one) => one.clusterId === clusterId)?.roundTripMs ?? Infinity;
  if (way(held.zone) === Infinity) return held.zone;
  if (way(gatewayZone) <= way(held.zone)) held.zone = gatewayZone;
  const least = Math.min(...zones.map(way));
  const gain = way(held.zone) - least;
  if (gain > 10 && gain > way(held.zone) / 10)
    held.zone = zones.find((zone) => way(zone) === least) ?? held.zone;
  return held.zone;
}

function pick(given: GeoCase, mayRun: readonly Zone[], place: Place): string | undefined {
  const seen = (zone: Zone): ClusterCase => {
    const found = given.clusters.find(({ clusterId }) => clusterId === zone.clusterId);
    if (found === undefined) throw new Error("every zone has a cluster");
    return found;
  };
  const inOrder = byDistance(mayRun, place.point);
  if (given.failover === "off") return inOrder[0]?.clusterId;

  const waits = ({ clusterId }: Zone): boolean =>
    given.placement.failback === "manual" && given.awaitsFailback.includes(clusterId);
  const isInService = (zone: Zone): boolean =>
    seen(zone).state === "up" && seen(zone).mode === "in-service" && !waits(zone);
  const cannotBe = (zone: Zone): boolean => {
    const { pings, isTripped, mode, isFull } = seen(zone);
    return pings === "avoid" || pings === "absent" || isTripped || mode === "quarantined" || isFull;
  };
  const fit = inOrder.filter((zone) => !cannotBe(zone));
  const good = fit.filter((zone) => isInService(zone) && !seen(zone).isOverlaid);
  const usable = good.filter((zone) => seen(zone).openForMs === 0);
  if (usable.length === 0) {
    const leastBad = good.toSorted((one, other) => seen(one).openForMs - seen(other).openForMs);
    const lastResort = fit.filter((zone) => !good.includes(zone) && seen(zone).pings === "good");
    return (leastBad[0] ?? lastResort[0])?.clusterId;
  }
  const isRamping = (zone: Zone): boolean => seen(zone).weightPercent < 100;
  const preferred = [...usable.filter((zone) => !isRamping(zone)), ...usable.filter(isRamping)];

  const planned = mayRun.filter((zone) => {
    const { pings, isTripped, isOverlaid, weightPercent } = seen(zone);
    const isLost = pings === "avoid" || pings === "absent" || isTripped || isOverlaid;
    return isInService(zone) && !isLost && weightPercent > 0;
  });
  const shares = sharesOf(planned, place.zone, given, (zone) => seen(zone).weightPercent / 100);
  return throwDice(preferred, shares, given, (zone) => seen(zone).inFlight)?.clusterId;
}

/** Nobody's slots are known here, so that nothing is full: ramps alone divide the calls. */
function sharesOf(
  planned: readonly Zone[],
  origin: Zone,
  { placement }: GeoCase,
  ramp: (zone: Zone) => number,
): Map<string, number> {
  const nearest = planned.toSorted(
    (one, other) =>
      Math.round(apparent(pointOf(origin), one)) - Math.round(apparent(pointOf(origin), other)) ||
      Number(other === origin) - Number(one === origin) ||
      (one.clusterId < other.clusterId ? -1 : 1),
  );
  const shares = new Map<string, number>();
  const cuts = [...new Set([0, 1, ...planned.map(ramp)])].toSorted((one, other) => one - other);
  for (const [index, cut] of cuts.entries()) {
    const width = (cuts[index + 1] ?? 1) - cut;
    const inSight = nearest.filter((zone) => ramp(zone) > cut);
    const takers =
      inSight.length === 0
        ? nearest.slice(0, 1)
        : placement.spread === "even"
          ? inSight
          : inSight.slice(0, 1);
    for (const { clusterId } of takers)
      shares.set(clusterId, (shares.get(clusterId) ?? 0) + width / takers.length);
  }
  return shares;
}

function throwDice(
  preferred: readonly Zone[],
  shares: ReadonlyMap<string, number>,
  { headers, chances }: GeoCase,
  inFlight: (zone: Zone) => number,
): Zone | undefined {
  const share = ({ clusterId }: Zone): number => shares.get(clusterId) ?? 0;
  const draw = (among: readonly Zone[], chance: number): Zone | undefined => {
    const sum = among.map(share).reduce((one, other) => one + other, 0);
    let passed = 0;
    for (const zone of among) {
      passed += share(zone);
      if (share(zone) > 0 && chance * sum < passed) return zone;
    }
    return undefined;
  };
  const token = headers["meridian-affinity"];
  if (token !== undefined) {
    const digits = /^[a-z0-9-]+\.([0-9a-f]{8})$/.exec(token)?.[1];
    const kept = digits === undefined ? Math.floor(chances[0] * 2 ** 32) : Number(`0x${digits}`);
    return draw(preferred, kept / 2 ** 32) ?? preferred[0];
  }
  const first = draw(preferred, chances[0]);
  if (first === undefined) return preferred[0];
  const next = preferred.filter(
    (zone) => share(zone) > 0 && kilometres(pointOf(zone), pointOf(first)) <= 100,
  );
  const second = next.length > 1 ? draw(next, chances[1]) : undefined;
  if (second === undefined) return first;
  return inFlight(second) / share(second) < inFlight(first) / share(first) ? second : first;
}

const pointOf = ({ latitudeDegrees, longitudeDegrees }: Zone): Point => ({
  latitude: latitudeDegrees,
  longitude: longitudeDegrees,
});

const byDistance = (zones: readonly Zone[], point: Point): readonly Zone[] =>
  zones.toSorted(
    (one, other) =>
      apparent(point, one) - apparent(point, other) || (one.clusterId < other.clusterId ? -1 : 1),
  );

const apparent = (from: Point, zone: Zone): number =>
  kilometres(from, pointOf(zone)) * ((100 - (zone.biasPercent ?? 0)) / 100);

/** By vectors from the middle of the Earth. */
function kilometres(from: Point, to: Point): number {
  const [a, b] = [vector(from), vector(to)];
  const cross = [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ] as const;
  const dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  return 6_371 * Math.atan2(Math.hypot(...cross), dot);
}

function vector({ latitude, longitude }: Point): readonly [number, number, number] {
  const [phi, lambda] = [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180];
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}
