import type { Zone } from "#lib/contracts/zone.ts";
import { apparentKilometres } from "#lib/apparent-distance.ts";
import type { GeoPoint } from "#lib/great-circle.ts";
import { countryCentroids } from "./country-centroids.ts";
import type { NetworkAddress } from "./network-address.ts";

/** Where a caller is taken to be, and what said so. */
export interface Origin extends GeoPoint {
  readonly source:
    | "explicit"
    | "affinity"
    | "tenant-home"
    | "edge-header"
    | "address"
    | "round-trip"
    | "gateway-zone";
  /** The region, country or zone that was named. */
  readonly value: string;
}

export interface Location {
  readonly origin: Origin;
  /** The name of the zone whose callers it is counted with. */
  readonly originZone: string;
}

export type Located =
  | { readonly kind: "located"; readonly location: Location }
  /** Nothing says where the caller is. */
  | { readonly kind: "unknown" }
  | { readonly kind: "region-unknown"; readonly region: string };

export interface CallerClues {
  /** `?region=`, `Meridian-Region` or the host: a region or a zone. */
  readonly region: string | undefined;
  /** The zone that the caller's affinity token names. */
  readonly affinityZone: string | undefined;
  /** Where the tenant has its callers served. */
  readonly homeRegion: string | undefined;
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

/**
 * The first clue that says something wins. A region that a caller asks for and does not exist is its mistake, never a guess; a zone
 * that a token or the tenant's record still names, and that was removed, says nothing.
 */
export function locateCaller(clues: CallerClues, geography: Geography): Located {
  const { zones } = geography;
  if (clues.region !== undefined) {
    const zone = zoneNamed(clues.region, zones);
    if (zone === undefined) return { kind: "region-unknown", region: clues.region };
    return located(inZone("explicit", zone, clues.region));
  }
  const kept = zoneNamed(clues.affinityZone, zones);
  if (kept !== undefined) return located(inZone("affinity", kept));

  const home = zoneNamed(clues.homeRegion, zones);
  if (home !== undefined) return located(inZone("tenant-home", home, clues.homeRegion));

  const edge = countryPoint(clues.edgeCountry);
  if (edge !== undefined) return located(inCountry("edge-header", edge, geography));

  const registered = countryPoint(clues.address && geography.countryOf(clues.address.text));
  if (registered !== undefined) return located(inCountry("address", registered, geography));

  return { kind: "unknown" };
}

/** Where a caller is taken to be of whom nothing is known: where this gateway's way is shortest. */
export const nearGateway = (nearest: Zone, { gatewayZone }: Geography): Location =>
  inZone(nearest === gatewayZone ? "gateway-zone" : "round-trip", nearest);

/** A zone by its own name, else the first of the region. */
export function zoneNamed(name: string | undefined, zones: readonly Zone[]): Zone | undefined {
  if (name === undefined) return undefined;
  return zones.find((zone) => zone.name === name) ?? zones.find((zone) => zone.region === name);
}

const located = (location: Location): Located => ({ kind: "located", location });

/** Whoever names a zone is counted with its callers, whatever lies in the same place. */
function inZone(source: Origin["source"], zone: Zone, value = zone.name): Location {
  const { latitudeDegrees, longitudeDegrees } = zone;
  const origin: Origin = { source, value, latitudeDegrees, longitudeDegrees };
  return { origin, originZone: zone.name };
}

function inCountry(
  source: Origin["source"],
  { country, point }: NamedPoint,
  { zones, gatewayZone }: Geography,
): Location {
  let nearest = gatewayZone;
  for (const zone of zones)
    if (apparentKilometres(point, zone) < apparentKilometres(point, nearest)) nearest = zone;
  return { origin: { source, value: country, ...point }, originZone: nearest.name };
}

interface NamedPoint {
  readonly country: string;
  readonly point: GeoPoint;
}

function countryPoint(code: string | undefined): NamedPoint | undefined {
  const country = code?.trim().toUpperCase();
  const point = country === undefined ? undefined : countryCentroids.get(country);
  return country === undefined || point === undefined ? undefined : { country, point };
}
