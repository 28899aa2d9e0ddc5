import type { Zone } from "#lib/contracts/zone.ts";
import type { AgentReportAnswer, VersionCalls } from "#lib/contracts/zone-report.ts";
import type { FeedFollower } from "#lib/io/follow-feed.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import { planInputs } from "#lib/plan/plan-inputs.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { allowsZone } from "#lib/residency.ts";
import { expectCalls, type LostLoad } from "../core/expect-calls.ts";
import { callsOf } from "../core/instance-lifecycle.ts";
import type { ExpectedCalls, InstancePools } from "./instance-pools.ts";
import type { PlacedVersions } from "./placed-versions.ts";
import type { PoolVersion } from "./pool-version.ts";

/** By then the calls are here, or do not come. */
const EXPECTED_FOR_MS = 30_000;

export interface StandInPorts {
  readonly zone: Zone;
  readonly zones: readonly Zone[];
  readonly table: FeedFollower["table"];
  /** Clusters that this zone does not use now, whatever the table says of them. */
  readonly avoided: LatestValue<readonly string[]>;
  readonly pools: Pick<InstancePools, "expect" | "loads">;
  readonly versions: Pick<PlacedVersions, "named">;
  readonly clock: Clock;
}

/** Starts instances for the calls of a cluster that is lost, before they come. */
export interface StandIn {
  /** What the other zones ran a moment ago. */
  readonly heard: (neighbours: AgentReportAnswer["neighbours"]) => void;
  readonly close: () => void;
}

export function standIn(ports: StandInPorts): StandIn {
  const { zone, zones, table, avoided, pools, clock } = ports;
  const others = zones.filter(({ clusterId }) => clusterId !== zone.clusterId);
  const lastCalls = new Map<string, readonly VersionCalls[]>();
  const lostUntilMs = new Map<string, number>();
  let own: readonly ExpectedCalls[] = [];

  const inputsNow = () => planInputs((key) => table.get()?.entries.get(key), zones);
  /** Every cluster that takes no calls now; one that was just lost is stood in for. */
  const look = (): void => {
    const inputs = inputsNow();
    const away = new Set(
      inputs.clusters
        .filter(({ clusterId, isInService }) => !isInService || avoided.get().includes(clusterId))
        .map(({ clusterId }) => clusterId),
    );
    const isKnown = table.get() !== undefined;
    for (const { clusterId } of others)
      if (!away.has(clusterId)) lostUntilMs.delete(clusterId);
      else if (isKnown && !lostUntilMs.has(clusterId)) {
        if (!hasLost()) own = loadHere(pools, ports.versions);
        lostUntilMs.set(clusterId, clock.nowMs() + EXPECTED_FOR_MS);
      }
    const lost = others.flatMap(({ name, clusterId }): LostLoad[] => {
      const isRecent = (lostUntilMs.get(clusterId) ?? 0) > clock.nowMs();
      return isRecent ? [{ zone: name, calls: lastCalls.get(name) ?? [] }] : [];
    });
    const placedAs = (named: VersionCalls) => {
      const manifest = ports.versions.named(named)?.version.manifest;
      return manifest && allowsZone(manifest.placement.regions, zone) ? manifest : undefined;
    };
    const expected = expectCalls(lost, inputs, away, zone.clusterId, placedAs);
    pools.expect(
      expected.flatMap((named): ExpectedCalls[] => {
        const of = ports.versions.named(named);
        if (of === undefined) return [];
        const here = own.find((one) => isSame(one.of, of))?.calls ?? 0;
        return [{ of, calls: here + named.calls }];
      }),
    );
  };
  const hasLost = (): boolean => lostUntilMs.values().some((untilMs) => untilMs > clock.nowMs());

  const stops = [table.subscribe(look), avoided.subscribe(look)];
  return {
    heard: (neighbours) => {
      const now = new Map(neighbours.map((one) => [one.zone, one.calls]));
      // Of a cluster that is away the last word from before counts.
      for (const { name, clusterId } of others)
        if (!lostUntilMs.has(clusterId)) lastCalls.set(name, now.get(name) ?? []);
      look();
    },
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

const isSame = (one: PoolVersion, other: PoolVersion): boolean =>
  one.tenant === other.tenant &&
  one.functionName === other.functionName &&
  one.version.version === other.version.version;

/** What runs here already comes on top of what is taken over. */
function loadHere(
  pools: Pick<InstancePools, "loads">,
  versions: Pick<PlacedVersions, "named">,
): readonly ExpectedCalls[] {
  return pools.loads().flatMap((load): ExpectedCalls[] => {
    const of = versions.named(load);
    const running = load.instances.reduce((calls, { state }) => calls + callsOf(state), 0);
    return of === undefined ? [] : [{ of, calls: running + load.queued }];
  });
}
