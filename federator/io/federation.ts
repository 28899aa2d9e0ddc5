import type { ZoneStatus } from "#lib/contracts/api.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/io/run-directory.ts";
import { viewCluster } from "../core/view-federation.ts";
import type { Federation, Replica } from "../ports.ts";
import type { Feed } from "./feed.ts";
import { type Applied, waitForAllGateways, waitForOwnGateways } from "./gateway-acks.ts";
import type { Reports } from "./reports.ts";
import type { TypedRecords } from "./typed-records.ts";

export interface FederationParts {
  readonly zone: Zone;
  readonly zones: readonly Zone[];
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly replica: Replica;
  readonly records: TypedRecords;
  readonly feed: Feed;
  readonly reports: Reports;
}

/** What the API and the other zones ask of this zone. */
export interface ZoneDesk extends Federation {
  readonly waitForOwnGateways: (revision: number, timeoutMs: number) => Promise<Applied>;
}

export function openZoneDesk(parts: FederationParts): ZoneDesk {
  const { zone, zones, discovery, client, replica, records, feed } = parts;
  const peers = () => internalUrls(discovery, "federator", otherZones(zones, zone.name));
  const own = (revision: number, timeoutMs: number) =>
    waitForOwnGateways(feed, replica, zone.name, revision, timeoutMs);
  return {
    waitForOwnGateways: own,
    waitForGateways: (revision, timeoutMs) =>
      waitForAllGateways(own, otherZones(zones, zone.name), peers, client, revision, timeoutMs),
    leader: () => records.leader()?.zone ?? null,
    zoneStatus: () => describeZone(parts),
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

function describeZone({ zone, replica, records, feed, reports }: FederationParts): ZoneStatus {
  const position = replica.position();
  const ageMs = replica.ageMs();
  return {
    zone: zone.name,
    region: zone.region,
    clusterId: zone.clusterId,
    isReachable: true,
    cluster: viewCluster(zone, records.verdict(zone.clusterId), records.planInput()),
    position: position.incarnation === "" ? null : position,
    replicaAgeMs: Number.isFinite(ageMs) ? ageMs : null,
    receivers: feed
      .receivers()
      .map(({ receiver, position: its, refused }) => ({ receiver, position: its, refused })),
    instances: [...(reports.agent(zone.clusterId)?.functions ?? [])],
  };
}
