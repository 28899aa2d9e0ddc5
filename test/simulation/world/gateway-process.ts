import type { OverlayFrame, RightsFrame } from "#lib/contracts/feed.ts";
import { followFeedOnto } from "#lib/io/follow-feed.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { Host } from "../engine/host.ts";
import { type SeededRandom } from "../engine/seeded-random.ts";
import { type FeedDoor, simulatedFeedLink } from "./feed-link.ts";
import type { GatewayDisk } from "./gateway-disk.ts";
import { silentLog } from "./silent-log.ts";

/** One life of a gateway, as far as it follows its federator: the table, the overlay and the rights that it believes in. */
export interface SimulatedGateway {
  readonly host: Host;
  readonly table: () => RouteTable | undefined;
  /** By tenant, what it would spend if it were asked now. */
  readonly believesMillionths: () => ReadonlyMap<string, number>;
  readonly usableClusters: () => readonly string[];
  /** Clusters that it goes round now, whatever its table says. */
  readonly overlaid: () => readonly string[];
  /** Whether it ever knew of a cluster in service. */
  readonly everHadClusters: () => boolean;
}

export interface GatewayEvents {
  readonly onTable: (table: RouteTable) => void;
  readonly onOverlay: (downClusters: readonly string[]) => void;
  readonly onRights: () => void;
}

interface Right {
  readonly floorMillionths: number;
  readonly leaseMillionths: number;
  readonly leaseUntilMs: number;
}

export function startGateway(
  host: Host,
  door: FeedDoor,
  disk: GatewayDisk,
  random: SeededRandom,
  events: GatewayEvents,
): SimulatedGateway {
  const { clock } = host;
  let overlay: OverlayFrame = { kind: "overlay", downClusters: [], validMs: 1 };
  let overlaidUntilMs = 0;
  let table: RouteTable | undefined;
  let hadClusters = false;
  let inService: readonly string[] = [];
  const rights = new Map<string, Right>();
  for (const { tenant, floorMillionths } of disk.floors())
    rights.set(tenant, { floorMillionths, leaseMillionths: 0, leaseUntilMs: 0 });

  const onRights = (frame: RightsFrame, leaseUntilMs: number): void => {
    for (const { tenant, floorMillionths, leaseMillionths } of frame.tenants)
      rights.set(tenant, { floorMillionths, leaseMillionths, leaseUntilMs });
    disk.saveFloors(host, frame.tenants);
    events.onRights();
  };
  const overlaid = (): readonly string[] =>
    clock.nowMs() < overlaidUntilMs ? overlay.downClusters : [];
  const isUsable = (clusterId: string): boolean => !overlaid().includes(clusterId);

  const gateway: SimulatedGateway = {
    host,
    table: () => table,
    everHadClusters: () => hadClusters,
    believesMillionths: () => {
      const nowMs = clock.nowMs();
      return new Map(
        rights
          .entries()
          .map(([tenant, { floorMillionths, leaseMillionths, leaseUntilMs }]) => [
            tenant,
            floorMillionths + (nowMs < leaseUntilMs ? leaseMillionths : 0),
          ]),
      );
    },
    overlaid,
    usableClusters: () => inService.filter(isUsable),
  };
  const start = async (): Promise<void> => {
    const feed = await followFeedOnto(disk.tableFile(host), {
      ...simulatedFeedLink(host, door),
      clock,
      random,
      log: silentLog,
      onOverlay: (frame) => {
        overlay = frame;
        overlaidUntilMs = clock.nowMs() + frame.validMs;
        events.onOverlay(frame.downClusters);
      },
      onRights,
    });
    const onTable = (newest: RouteTable | undefined): void => {
      table = newest;
      inService = newest === undefined ? [] : clustersInService(newest);
      if (newest === undefined) return;
      hadClusters ||= inService.length > 0;
      events.onTable(newest);
    };
    onTable(feed.table.get());
    feed.table.subscribe(onTable);
  };
  void start();
  return gateway;
}

function clustersInService({ entries }: RouteTable): readonly string[] {
  const inService: string[] = [];
  for (const key of entries.keys()) {
    if (!key.startsWith("cluster/")) continue;
    const entry = entries.get(key);
    if (entry?.kind === "cluster" && entry.state === "up") inService.push(entry.clusterId);
  }
  return inService;
}
