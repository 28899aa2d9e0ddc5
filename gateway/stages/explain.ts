import type { RouteExplanation } from "#lib/contracts/api-status.ts";
import { LIVE_ALIAS } from "#lib/contracts/names.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import { type CallerClues, locateCaller } from "../core/locate-caller.ts";
import { permittedZones } from "#lib/residency.ts";
import { distanceKilometres, type GeoPoint } from "#lib/great-circle.ts";
import { describeShortfall, provedZones } from "../core/proved-zones.ts";
import { parseAddress } from "../core/network-address.ts";
import { jsonAnswer } from "../answers.ts";
import type { RoutedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Routing } from "../ports.ts";
import { unauthenticated } from "./authenticate.ts";
import type { KeyRing } from "./key-ring.ts";
import { affinityDraw, homeOf, type LocatePorts, placeOf, readClues } from "./locate.ts";
import { sharesOf } from "../core/choose-version.ts";
import { findFallback } from "./fall-back.ts";
import { isUnconfirmed } from "./keep-residency.ts";
import { findActiveTenant, findRoute, findVersion } from "./match-function.ts";
import { type ClusterRanking, circuitName, drawOf } from "./survey-clusters.ts";

export interface ExplainPorts extends LocatePorts {
  readonly keyRing: KeyRing;
  readonly securityMaxAgeMs: number;
  readonly routing: Routing;
  readonly ranking: ClusterRanking;
}

/** `GET /v1/route:explain`: where a call would go and why, by the functions that decide on calls. */
export function explainRoute(ports: ExplainPorts): Handler<RoutedCall> {
  return async (call) => {
    const { table } = call;
    const key = ports.keyRing(call.arrival.headers.authorization, table.entries);
    if (key === undefined) return unauthenticated(call.requestId);

    const query = new URLSearchParams(call.rawQuery);
    const tenant = query.get("tenant") ?? key.tenant ?? "";
    const functionName = query.get("function") ?? "";
    const alias = query.get("alias") ?? LIVE_ALIAS;
    if (tenant === "" || functionName === "")
      throw new MeridianError(
        "MERIDIAN_BAD_REQUEST",
        "Say which function: `?function=NAME`, with `&tenant=NAME` for an operator's key.",
      );
    const route = findRoute(table.entries, { tenant, functionName, alias }, key);
    const version = findVersion(route, alias, route.aliases[alias]);
    findActiveTenant(table.entries, tenant);
    const split = sharesOf(route, alias, ports.locating.geography.gatewayZone.name);

    const { clues } = readClues(call, ports.locating, homeOf(table, tenant));
    const ip = query.get("ip");
    const located = locateCaller(withAskedAddress(clues, ip), ports.locating.geography);
    const { origin, originZone } = placeOf(located, ports);
    const { regions } = version.manifest.placement;
    const { zones } = ports.locating.geography;
    const resident = permittedZones(regions, zones);
    const permitted = provedZones(version.manifest, resident, table.entries);
    const asked = {
      table,
      placed: version.manifest,
      origin,
      originZone,
      circuitName: circuitName({ tenant, functionName }, version.version),
      random: drawOf(ip === null ? affinityDraw(call, ports.random) : undefined),
    };
    const fallback = ports.ranking.isOpenEverywhere(asked, permitted)
      ? findFallback(table.entries, { tenant, functionName }, version, permitted)?.kind
      : undefined;
    const refusal = isUnconfirmed(regions, ports.routing.confirmedAgeMs(), ports.securityMaxAgeMs)
      ? "the gateway could not confirm for too long that the placement permits it"
      : undefined;
    const ranking = ports.ranking
      .byShares(asked, permitted)
      .map(({ standing: _told, ...one }) =>
        fallback === undefined && refusal === undefined
          ? one
          : { ...one, decision: "refused" as const, reason: refusal ?? one.reason },
      );
    const planned = ports.ranking.planned(asked)?.shares[version.manifest.placement.tier];
    const shed = planned === undefined || planned.clusters.length === 0 ? 0 : planned.shed;
    const forbidden = zones
      .filter((zone) => !permitted.includes(zone))
      .map((zone) =>
        forbiddenCandidate(
          zone,
          origin,
          resident.includes(zone)
            ? describeShortfall(version.manifest, zone.clusterId, table.entries)
            : `the placement permits ${regions.join(", ")} alone`,
        ),
      );

    const explanation: RouteExplanation = {
      tenant,
      function: functionName,
      alias,
      version: version.version,
      ...(split.length > 1 && { split }),
      origin,
      candidates: [...ranking, ...forbidden].map(({ zone, ...candidate }) => ({
        clusterId: zone.clusterId,
        zone: zone.name,
        ...candidate,
      })),
      chosen: ranking.find(({ decision }) => decision === "chosen")?.zone.clusterId ?? null,
      ...(fallback !== undefined && refusal === undefined && { fallback }),
      ...(shed > 0 && { shedPercent: Math.round(shed * 1_000) / 10 }),
      position: table.position,
      tableAgeMs: ports.routing.ageMs(),
    };
    return jsonAnswer(200, explanation);
  };
}

const forbiddenCandidate = (zone: Zone, origin: GeoPoint, reason: string) => ({
  zone,
  distanceKilometres: Math.round(distanceKilometres(origin, zone)),
  decision: "refused" as const,
  reason,
});

/** An address that is asked about stands for the caller's own, edge and all. */
function withAskedAddress(clues: CallerClues, ip: string | null): CallerClues {
  if (ip === null) return clues;
  const address = parseAddress(ip);
  if (address === undefined)
    throw new MeridianError("MERIDIAN_BAD_REQUEST", `${JSON.stringify(ip)} is not an IP address.`);
  return { ...clues, affinityZone: undefined, edgeCountry: undefined, address };
}
