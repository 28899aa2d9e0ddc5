import { join } from "node:path";
import { pino } from "pino";
import { gatewayReceiver, type RightsFrame } from "#lib/contracts/feed.ts";
import { followFeed } from "#lib/io/follow-feed.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import type { TestFederation } from "./three-zones.ts";

export interface FakeGateway {
  readonly table: () => RouteTable | undefined;
  readonly overlay: () => readonly string[];
  /** What it may admit of the tenant now, in millionths of the limit. */
  readonly rightMillionths: (tenant: string) => number;
  readonly offer: (tenant: string, requestsPerSecond: number) => void;
}

/** Follows its zone's federator as a gateway does, and reports the demand it is told to have; ends with the federation. */
export async function startFakeGateway(
  federation: TestFederation,
  zone: string,
): Promise<FakeGateway> {
  const receiver = gatewayReceiver(zone);
  const { client, discovery, directory } = federation;
  let overlay: readonly string[] = [];
  const rights = new Map<string, RightsFrame["tenants"][number]>();
  let rightsEndMs = 0;
  const demand = new Map<string, number>();

  const follower = await followFeed({
    receiver,
    zone,
    tableFile: join(directory, `${receiver}.table`),
    discovery,
    client,
    clock: systemClock,
    random: systemRandom,
    log: pino({ level: "silent" }),
    onOverlay: (frame) => {
      overlay = frame.downClusters;
    },
    onRights: (frame, leaseEndsMs) => {
      if (frame.isPartial !== true) rights.clear();
      for (const share of frame.tenants) rights.set(share.tenant, share);
      rightsEndMs = leaseEndsMs;
    },
  });
  const report = async (): Promise<void> => {
    const url = await federation.zone(zone).federatorUrl();
    const items = [...demand].map(([tenant, requestsPerSecond]) => ({ tenant, requestsPerSecond }));
    await client.json(url, {
      method: "POST",
      path: "/internal/reports",
      json: { program: "gateway", receiver, demand: items, avoided: [] },
      timeoutMs: 500,
    });
  };
  const timer = setInterval(() => void report().catch(() => undefined), 100);
  federation.onStop(async () => {
    clearInterval(timer);
    await follower.close();
  });
  return {
    table: follower.table.get,
    overlay: () => overlay,
    rightMillionths: (tenant) => {
      const part = rights.get(tenant);
      if (part === undefined) return 0;
      const isLeaseValid = systemClock.nowMs() < rightsEndMs;
      return part.floorMillionths + (isLeaseValid ? part.leaseMillionths : 0);
    },
    offer: (tenant, requestsPerSecond) => demand.set(tenant, requestsPerSecond),
  };
}
