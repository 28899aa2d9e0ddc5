import { boundedMemo } from "#lib/bounded-memo.ts";
import { MeridianError } from "#lib/errors.ts";
import { clientAddress } from "../core/client-address.ts";
import {
  type CallerClues,
  type Geography,
  locateCaller,
  nearestZone,
  zoneNamed,
} from "../core/locate-caller.ts";
import { queryValue } from "../core/match-route.ts";
import type { Network } from "../core/network-address.ts";
import type { AdmittedCall, IdentifiedCall, LocatedCall } from "../call.ts";
import type { Stage } from "../pipeline.ts";

export interface Locating {
  readonly geography: Geography;
  /** Proxies whose `X-Forwarded-For` and edge headers are believed. */
  readonly trustedProxies: readonly Network[];
  /** Headers in which a trusted edge names the caller's country, lower case. */
  readonly edgeCountryHeaders: readonly string[];
}

/** Callers come again and again; the same words of the same peer say the same. */
const REMEMBERED_MAX = 10_000;

/** Works out where the caller is. */
export function locate(locating: Locating): Stage<AdmittedCall, LocatedCall> {
  const { geography, edgeCountryHeaders } = locating;
  const remembered =
    boundedMemo<Pick<LocatedCall, "origin" | "originZone" | "clientIp">>(REMEMBERED_MAX);
  return (next) => (call) => {
    const { headers, peer } = call.arrival;
    const said = [headers["x-forwarded-for"], ...edgeCountryHeaders.map((name) => headers[name])];
    const key = `${peer}\n${askedRegion(call, geography) ?? ""}\n${said.join("\n")}`;
    const where = remembered.get(key, () => {
      const { clues, clientIp } = readClues(call, locating);
      const origin = originOf(clues, geography);
      return { origin, originZone: nearestZone(origin, geography), clientIp };
    });
    return next({ ...call, ...where });
  };
}

export function originOf(clues: CallerClues, geography: Geography) {
  const located = locateCaller(clues, geography);
  if (located.kind === "located") return located.origin;
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
): { readonly clues: CallerClues; readonly clientIp: string } {
  const { headers, peer } = call.arrival;
  const { client, viaTrustedProxy } = clientAddress(
    peer,
    text(headers["x-forwarded-for"]),
    trustedProxies,
  );
  const edgeCountry = viaTrustedProxy
    ? edgeCountryHeaders.map((name) => text(headers[name])).find((value) => value !== undefined)
    : undefined;
  const clues = { region: askedRegion(call, geography), edgeCountry, address: client };
  return { clues, clientIp: client?.text ?? peer };
}

/** On the HTTP door the query is the function's: there `?region=` counts only where it names a region of ours. */
function askedRegion({ arrival, rawQuery, door }: IdentifiedCall, geography: Geography) {
  const fromQuery = queryValue(rawQuery, "region");
  const isOurs =
    fromQuery !== undefined &&
    (door.kind !== "http" || zoneNamed(fromQuery, geography.zones) !== undefined);
  return isOurs ? fromQuery : text(arrival.headers["meridian-region"]);
}

const text = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : value?.join(", ");
