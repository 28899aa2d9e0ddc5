import { boundedMemo } from "#lib/bounded-memo.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import {
  type Affinity,
  AFFINITY_HEADER,
  newDraw,
  readAffinity,
  writeAffinity,
} from "../core/affinity-token.ts";
import { clientAddress, clientScheme } from "../core/client-address.ts";
import {
  type CallerClues,
  type Geography,
  type Located,
  type Location,
  locateCaller,
  nearGateway,
  zoneNamed,
} from "../core/locate-caller.ts";
import { findTenant } from "../core/look-up.ts";
import { queryValue } from "../core/match-route.ts";
import type { NearestZone } from "../core/nearest-by-round-trip.ts";
import type { Network } from "../core/network-address.ts";
import type { AdmittedCall, IdentifiedCall, LocatedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";

export interface Locating {
  readonly geography: Geography;
  /** Proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and edge headers are believed. */
  readonly trustedProxies: readonly Network[];
  /** Headers in which a trusted edge names the caller's country, lower case. */
  readonly edgeCountryHeaders: readonly string[];
}

export interface LocatePorts {
  readonly locating: Locating;
  readonly nearestZone: NearestZone;
  readonly clock: Clock;
  readonly random: Random;
}

/** Callers come again and again; the same words of the same peer say the same. */
const REMEMBERED_MAX = 10_000;

/** Works out where the caller is; one that asks for it gets a token with which its next calls go the same way. */
export function locate(ports: LocatePorts): Stage<AdmittedCall, LocatedCall> {
  const { locating, random } = ports;
  const { geography, edgeCountryHeaders } = locating;
  const heeded = ["x-forwarded-for", "x-forwarded-proto", AFFINITY_HEADER, ...edgeCountryHeaders];
  const remembered = boundedMemo<CallerWords>(REMEMBERED_MAX);
  return (next) => (call) => {
    const { headers, peer, scheme } = call.arrival;
    const homeRegion = homeOf(call.table, call.door.tenant);
    const said = [askedRegion(call, geography), homeRegion, ...heeded.map((name) => headers[name])];
    const words = remembered.get(`${peer}\n${scheme}\n${said.map(spelt).join("\n")}`, () =>
      readCaller(call, locating, homeRegion),
    );
    const { clientIp, clientScheme } = words;
    const located = { ...call, ...placeOf(words.located, ports), clientIp, clientScheme };
    const draw = affinityDraw(call, random);
    if (draw === undefined) return next(located);
    const token = writeAffinity({ zone: located.originZone, draw });
    return next({ ...located, affinityDraw: draw }).then((answer) => ({
      ...answer,
      headers: { ...answer.headers, [AFFINITY_HEADER]: token },
    }));
  };
}

/** What is empty is not the same as what was not said. */
const spelt = (word: string | readonly string[] | undefined): string =>
  word === undefined ? "-" : `+${String(word)}`;

interface CallerWords extends Pick<LocatedCall, "clientIp" | "clientScheme"> {
  readonly located: Located;
}

function readCaller(
  call: IdentifiedCall,
  locating: Locating,
  homeRegion: string | undefined,
): CallerWords {
  const { clues, ...words } = readClues(call, locating, homeRegion);
  return { ...words, located: locateCaller(clues, locating.geography) };
}

/** The throw of the dice in the caller's token, or for a new one; undefined for a caller who wants none. */
export function affinityDraw(call: IdentifiedCall, random: Random): number | undefined {
  if (call.arrival.headers[AFFINITY_HEADER] === undefined) return undefined;
  return affinityOf(call)?.draw ?? newDraw(random);
}

const affinityOf = ({ arrival }: IdentifiedCall): Affinity | undefined =>
  readAffinity(text(arrival.headers[AFFINITY_HEADER]) ?? "");

/** Where the tenant has its callers served, whoever and wherever they are. */
export const homeOf = ({ entries }: RouteTable, tenant: string): string | undefined =>
  findTenant(entries, tenant)?.homeRegion;

/** What is known of the caller's place, or of this gateway's own. */
export function placeOf(located: Located, ports: Omit<LocatePorts, "random">): Location {
  const { geography } = ports.locating;
  if (located.kind === "located") return located.location;
  if (located.kind === "unknown")
    return nearGateway(ports.nearestZone(ports.clock.nowMs()), geography);
  const known = geography.zones.map(({ name, region }) =>
    name === region ? name : `${name} (${region})`,
  );
  throw new MeridianError(
    "MERIDIAN_REGION_UNKNOWN",
    `There is no region or zone ${JSON.stringify(located.region)}; there are ${known.join(", ")}.`,
  );
}

/** What the request says of where it comes from, as far as it can be believed. */
export function readClues(
  call: IdentifiedCall,
  { geography, trustedProxies, edgeCountryHeaders }: Locating,
  homeRegion: string | undefined,
): { readonly clues: CallerClues } & Omit<CallerWords, "located"> {
  const { headers, peer, scheme } = call.arrival;
  const { client, proxies } = clientAddress(peer, text(headers["x-forwarded-for"]), trustedProxies);
  const edgeCountry =
    proxies > 0
      ? edgeCountryHeaders.map((name) => text(headers[name])).find((value) => value !== undefined)
      : undefined;
  return {
    clues: {
      region: askedRegion(call, geography),
      affinityZone: affinityOf(call)?.zone,
      homeRegion,
      edgeCountry,
      address: client,
    },
    clientIp: client?.text ?? peer,
    clientScheme: clientScheme(scheme, text(headers["x-forwarded-proto"]), proxies),
  };
}

/**
 * On the HTTP door the query is the function's: there `?region=` counts only where it names a region of ours. A host counts where its
 * first label does, as in `eu-west.functions.example`.
 */
function askedRegion({ arrival, rawQuery, door }: IdentifiedCall, { zones }: Geography) {
  const fromQuery = queryValue(rawQuery, "region");
  const isOurs =
    fromQuery !== undefined && (door.kind !== "http" || zoneNamed(fromQuery, zones) !== undefined);
  if (isOurs) return fromQuery;
  return text(arrival.headers["meridian-region"]) ?? regionOfHost(arrival.headers.host, zones);
}

function regionOfHost(host: string | undefined, zones: readonly Zone[]): string | undefined {
  const labelEnd = host?.indexOf(".") ?? -1;
  if (host === undefined || labelEnd < 0) return undefined;
  const label = host.slice(0, labelEnd).toLowerCase();
  return zoneNamed(label, zones) === undefined ? undefined : label;
}

const text = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : value?.join(", ");
