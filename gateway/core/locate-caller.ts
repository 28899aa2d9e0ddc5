import type { Zone } from "#lib/contracts/zone.ts";
import { distanceKilometres, type GeoPoint } from "#lib/great-circle.ts";
import { countryCentroids } from "./country-centroids.ts";
import type { NetworkAddress } from "./network-address.ts";

/** Where a caller is taken to be, and what said so. */
export interface Origin extends GeoPoint {
  readonly source: "explicit" | "edge-header" | "address" | "gateway-zone";
  /** The region, country or zone that was named. */
  readonly value: string;
}

export type Located =
  | { readonly kind: "located"; readonly origin: Origin }
  | { readonly kind: "region-unknown"; readonly region: string };

export interface CallerClues {
  /** `?region=` or `Meridian-Region`: a region or a zone. */
  readonly region: string | undefined;
  /** A country, as a trusted edge says it. */
  readonly edgeCountry: string | undefined;
  readonly address: NetworkAddress | undefined;
}

export interface Geography {
  readonly zones: readonly Zone[];
  readonly gatewayZone: Zone;
  /** ISO 3166-1 alpha-2 code of an address; undefined where it is not known. */
  readonly countryOf: (address: string) => string | undefined;
}

/** The first clue that says something wins; a region that does not exist is the caller's mistake, never a guess. */
export function locateCaller(clues: CallerClues, geography: Geography): Located {
  if (clues.region !== undefined) {
    const zone = zoneNamed(clues.region, geography.zones);
    if (zone === undefined) return { kind: "region-unknown", region: clues.region };
    return located("explicit", clues.region, zone);
  }
  const edge = countryPoint(clues.edgeCountry);
  if (edge !== undefined) return located("edge-header", edge.country, edge.point);

  const country = clues.address === undefined ? undefined : geography.countryOf(clues.address.text);
  const home = countryPoint(country);
  if (home !== undefined) return located("address", home.country, home.point);

  return located("gateway-zone", geography.gatewayZone.name, geography.gatewayZone);
}

/** The name of the zone whose callers the origin's are counted with. */
export function nearestZone(origin: GeoPoint, { zones, gatewayZone }: Geography): string {
  let nearest = gatewayZone;
  for (const zone of zones)
    if (distanceKilometres(origin, zone) < distanceKilometres(origin, nearest)) nearest = zone;
  return nearest.name;
}

/** A zone by its own name, else the first of the region. */
export function zoneNamed(name: string, zones: readonly Zone[]): Zone | undefined {
  return zones.find((zone) => zone.name === name) ?? zones.find((zone) => zone.region === name);
}

function located(source: Origin["source"], value: string, at: GeoPoint): Located {
  const { latitudeDegrees, longitudeDegrees } = at;
  return { kind: "located", origin: { source, value, latitudeDegrees, longitudeDegrees } };
}

function countryPoint(code: string | undefined) {
  const country = code?.trim().toUpperCase();
  const point = country === undefined ? undefined : countryCentroids.get(country);
  return country === undefined || point === undefined ? undefined : { country, point };
}
