import { join } from "node:path";
import { pino } from "pino";
import { gatewayReceiver } from "#lib/contracts/feed.ts";
import { type FeedFollower, followFeed } from "#lib/io/follow-feed.ts";
import { type InternalClient, internalClient } from "#lib/io/internal-client.ts";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { BenchFederation } from "../start-federation.ts";

/** Hears what each zone's gateway hears, as one more gateway of it. */
export interface ZoneWatch {
  /** Whether the zone's gateways may send calls to the cluster, by their table and its overlay. */
  readonly mayUse: (zone: string, clusterId: string) => boolean;
  /** Whether their table holds it to be up and at its whole weight. */
  readonly isWhole: (zone: string, clusterId: string) => boolean;
  /** Whether their table, without any overlay, holds it to be down: what the catalog has decided. */
  readonly isDecidedDown: (zone: string, clusterId: string) => boolean;
  readonly close: () => Promise<void>;
}

export async function watchZones(
  { state, bootToken }: BenchFederation,
  zones: readonly string[],
): Promise<ZoneWatch> {
  const client = internalClient(bootToken);
  const views = new Map<string, ZoneView>();
  for (const zone of zones) views.set(zone, await watchZone(state, zone, client));

  const viewOf = (zone: string): ZoneView => {
    const view = views.get(zone);
    if (view === undefined) throw new Error(`${zone} is not watched`);
    return view;
  };
  const clusterIn = (zone: string, clusterId: string) => {
    const entry = viewOf(zone).feed.table.get()?.entries.get(`cluster/${clusterId}`);
    return entry?.kind === "cluster" ? entry : undefined;
  };
  const mayUse = (zone: string, clusterId: string): boolean =>
    clusterIn(zone, clusterId)?.state === "up" && !viewOf(zone).overlay().includes(clusterId);
  return {
    mayUse,
    isWhole: (zone, clusterId) =>
      mayUse(zone, clusterId) && clusterIn(zone, clusterId)?.weightPercent === 100,
    isDecidedDown: (zone, clusterId) => clusterIn(zone, clusterId)?.state === "down",
    close: async () => {
      await Promise.all([...views.values()].map(({ feed }) => feed.close()));
      await client.close();
    },
  };
}

interface ZoneView {
  readonly feed: FeedFollower;
  readonly overlay: () => readonly string[];
}

async function watchZone(state: string, zone: string, client: InternalClient): Promise<ZoneView> {
  let overlay: readonly string[] = [];
  const feed = await followFeed({
    receiver: `${gatewayReceiver(zone)}.bench`,
    zone,
    discovery: runDirectoryDiscovery(join(state, "run")),
    client,
    clock: systemClock,
    random: systemRandom,
    log: pino({ level: "silent" }),
    tableFile: join(state, `bench-${zone}.json`),
    onOverlay: ({ downClusters }) => (overlay = downClusters),
  });
  return { feed, overlay: () => overlay };
}
