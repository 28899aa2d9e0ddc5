import { join } from "node:path";
import type { Logger } from "pino";
import type { OverlayFrame, RightsFrame } from "#lib/contracts/feed.ts";
import { followFeed } from "#lib/io/follow-feed.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { TenantLimits } from "../core/tenant-limits.ts";
import type { Routing } from "../ports.ts";
import { openConfirmedFile } from "./confirmed-file.ts";
import { type Floors, floorsFile } from "./floors-file.ts";

export interface RouteFeedOptions {
  readonly zone: string;
  /** Names this gateway to its federator. */
  readonly receiver: string;
  readonly stateDirectory: string;
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly limits: TenantLimits;
  /** With `off` the overlay is heard and not heeded. */
  readonly failover: "on" | "off";
}

export interface RouteFeed extends Routing {
  /** Whether this zone's federator has said what this gateway may admit, since it started. */
  readonly hasRights: () => boolean;
  /** Whether that was more than nothing: one that joins others is given its part when they have let go of it. */
  readonly hasShare: () => boolean;
  /** Leaves its rights to the other gateways of the zone; only what has gathered is spent from now on. */
  readonly giveUpRights: () => void;
  readonly close: () => Promise<void>;
}

/** What the zone's federator says: table, overlay and rights; the table and the floors of the rights from disk before it is heard. */
export async function followRoutes(options: RouteFeedOptions): Promise<RouteFeed> {
  const { clock, limits, log, stateDirectory } = options;
  const startMs = clock.nowMs();
  let overlay: OverlayFrame = { kind: "overlay", downClusters: [], validMs: 1 };
  let overlaidUntilMs = startMs;
  let hasRights = false;
  let hasShare = false;

  const floors = floorsFile(join(stateDirectory, "floors.json"));
  limits.applyShares((await floors.load()).map(withoutLease), 0, startMs);
  const floorsNow = new Map<string, number>();
  const saving = oneAtATime<void>(() =>
    floors
      .save(Array.from(floorsNow, ([tenant, floorMillionths]) => ({ tenant, floorMillionths })))
      .catch((error: unknown) => log.error({ err: error }, "the quota floors are not on disk")),
  );

  const confirmed = await openConfirmedFile(join(stateDirectory, "confirmed.json"), clock);
  const confirmedAgeMs = (): number => {
    const atMs = feed.confirmedAtMs();
    const nowMs = clock.nowMs();
    return atMs === undefined ? confirmed.ageAtStartMs + nowMs - startMs : nowMs - atMs;
  };
  const noteConfirmed = (): void => {
    if (feed.confirmedAtMs() === undefined) return;
    confirmed
      .note(confirmedAgeMs())
      .catch((error: unknown) =>
        log.warn({ err: error }, "when the table was confirmed is not on disk"),
      );
  };

  const feed = await followFeed({
    ...options,
    tableFile: join(stateDirectory, "route-table.json"),
    onOverlay: (frame) => {
      overlay = frame;
      overlaidUntilMs = clock.nowMs() + frame.validMs;
      noteConfirmed();
    },
    onRights: (frame: RightsFrame, leaseEndsMs) => {
      hasRights = true;
      hasShare ||= frame.tenants.some(
        ({ floorMillionths, leaseMillionths }) => floorMillionths + leaseMillionths > 0,
      );
      const isPartial = frame.isPartial === true;
      const nowMs = clock.nowMs();
      const leaseLeftMs = Math.max(0, leaseEndsMs - nowMs);
      limits.applyShares(frame.tenants, leaseLeftMs, nowMs, isPartial ? "go-on" : "end");
      if (!isPartial) floorsNow.clear();
      for (const { tenant, floorMillionths } of frame.tenants)
        floorsNow.set(tenant, floorMillionths);
      saving.offer();
    },
  });

  return {
    table: () => feed.table.get(),
    ageMs: () => clock.nowMs() - (feed.heardAtMs() ?? startMs),
    confirmedAgeMs,
    hasRights: () => hasRights,
    hasShare: () => hasShare,
    giveUpRights: () => {
      limits.giveUpShares(clock.nowMs());
      feed.giveUpRights();
    },
    isOverlaid: (clusterId) =>
      options.failover === "on" &&
      clock.nowMs() < overlaidUntilMs &&
      overlay.downClusters.includes(clusterId),
    close: async () => {
      await feed.close();
      await saving.settled();
    },
  };
}

const withoutLease = (floor: Floors[number]) => ({ ...floor, leaseMillionths: 0 });
