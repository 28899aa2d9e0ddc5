import type { ZoneStatus } from "#lib/contracts/api-status.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { viewCluster } from "../core/verdicts/view-federation.ts";
import type { Federation, Replica } from "../ports.ts";
import type { Feed } from "./feed/feed.ts";
import { type Applied, type Wait, waitForAll, waitForOwn } from "./feed/gateway-acks.ts";
import type { Reports } from "./verdicts/reports.ts";
import type { TypedRecords } from "./typed-records.ts";

export interface FederationParts {
  readonly zoneName: string;
  readonly zones: readonly Zone[];
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly replica: Replica;
  readonly records: TypedRecords;
  readonly feed: Feed;
  readonly reports: Reports;
  readonly sightOf: Federation["sightOf"];
  /** Undefined while there are none. */
  readonly replicaTroubles: () => ZoneStatus["replicaTroubles"];
}

/** What the API and the other zones ask of this zone. */
export interface ZoneDesk extends Federation {
  readonly waitForOwn: (wait: Wait) => Promise<Applied>;
}

export function openZoneDesk(parts: FederationParts): ZoneDesk {
  const { zoneName, zones, discovery, client, replica, records, feed } = parts;
  const zone = zones.find(({ name }) => name === zoneName);
  if (zone === undefined) throw new Error(`${zoneName} is not among the configured zones`);
  const peers = () => internalUrls(discovery, "federator", otherZones(zones, zone.name));
  const own = (wait: Wait) => waitForOwn(feed, replica, zone.name, parts.clock, wait);
  return {
    waitForOwn: own,
    waitFor: (wait) => waitForAll(own, otherZones(zones, zone.name), peers, client, wait),
    leader: () => records.leader()?.zone ?? null,
    sightOf: parts.sightOf,
    zoneStatus: () => describeZone(zone, parts),
    peers,
    agents: () =>
      internalUrls(
        discovery,
        "agent",
        zones.map(({ name }) => name),
      ),
  };
}

export const otherZones = (zones: readonly Zone[], own: string): readonly string[] =>
  zones.map(({ name }) => name).filter((name) => name !== own);

/** Where that program of each zone listens, as discovered now. */
export async function internalUrls(
  discovery: Discovery,
  program: "federator" | "agent",
  zones: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const urls = new Map<string, string>();
  for (const endpoint of await discovery.list()) {
    const { zone, urls: its } = endpoint;
    if (endpoint.program !== program || zone === null || its.internal === undefined) continue;
    if (zones.includes(zone)) urls.set(zone, its.internal);
  }
  return urls;
}

function describeZone(
  zone: Zone,
  { replica, records, feed, reports, sightOf, replicaTroubles }: FederationParts,
): ZoneStatus {
  const position = replica.position();
  const ageMs = replica.ageMs();
  const wave = feed.wave();
  const troubles = replicaTroubles();
  const report = reports.agent(zone.clusterId);
  return {
    zone: zone.name,
    region: zone.region,
    clusterId: zone.clusterId,
    isReachable: true,
    cluster: viewCluster(
      zone,
      records.verdict(zone.clusterId),
      records.planInput(),
      sightOf(zone.clusterId),
      records.cluster(zone.clusterId),
    ),
    position: position.incarnation === "" ? null : position,
    replicaAgeMs: Number.isFinite(ageMs) ? ageMs : null,
    ...(troubles === undefined ? {} : { replicaTroubles: troubles }),
    receivers: feed
      .receivers()
      .map(({ receiver, position: its, refused }) => ({ receiver, position: its, refused })),
    ...(wave === null ? {} : { wave }),
    ...(report?.codeMissing === undefined ? {} : { codeMissing: report.codeMissing.length }),
    ...(report?.codeTroubles === undefined ? {} : { codeTroubles: report.codeTroubles }),
    ...(report?.isolation === undefined ? {} : { isolation: report.isolation }),
    ...(report?.quarantined === undefined ? {} : { quarantined: report.quarantined }),
    instances: [...(report?.functions ?? [])],
  };
}
