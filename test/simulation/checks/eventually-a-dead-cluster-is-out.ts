import { hasWitness } from "../../../federator/core/verdicts/weigh-evidence.ts";
import type { SimulatedZone } from "../world/zone.ts";
import type { Invariant } from "./check.ts";

/** Longer than any detection in calm weather takes: probes, gossip, the overlay's way to the gateway, twice each. */
const OUT_WITHIN_MS = 8_000;
/**
 * The last one in service stays, whatever is said of it, until another one is back. That one is seen, a leader is there, and its zone
 * does not say here what its agent knows, so that it waits for three holds of 5 s, however often it failed before.
 */
const BACK_WITHIN_MS = 25_000;
const LOOK_EACH_MS = 1_000;

/** Counted from when the cluster was gone, nothing else was wrong, and another one answered. */
export const aDeadClusterIsOut: Invariant = {
  name: "8 a dead cluster is out of every reachable zone's table in time",
  start: ({ world, broken }) => {
    // Without a witness nothing is taken out: gateways fail over by themselves.
    if (!hasWitness(world.zones.length)) return {};
    const answersSinceMs = new Map<string, number>();
    const hasOtherSinceMs = new Map<string, number>();
    const look = (): void => {
      const nowMs = world.time.nowMs();
      for (const { clusterId, agent } of world.zones)
        noteSince(answersSinceMs, clusterId, agent.goneSinceMs() === undefined, nowMs);
      for (const zone of world.zones) for (const dead of world.zones) lookAt(zone, dead, nowMs);
      world.time.schedule(LOOK_EACH_MS, look);
    };
    const lookAt = (zone: SimulatedZone, dead: SimulatedZone, nowMs: number): void => {
      const goneSinceMs = dead.agent.goneSinceMs();
      const used = zone.gateway()?.usableClusters() ?? [];
      const others = world.zones.filter(
        ({ clusterId }) => clusterId !== dead.clusterId && answersSinceMs.has(clusterId),
      );
      const hasOther = others.some(({ clusterId }) => used.includes(clusterId));
      const place = `${zone.name} ${dead.clusterId}`;
      const otherSinceMs = noteSince(
        hasOtherSinceMs,
        place,
        goneSinceMs !== undefined && hasOther,
        nowMs,
      );
      // An observer that sees most of its targets down distrusts itself.
      const isAlmostAlone = others.length * 2 < world.zones.length;
      if (goneSinceMs === undefined || isAlmostAlone || !used.includes(dead.clusterId)) return;
      const backMs = Math.min(
        ...others.map(({ clusterId }) => answersSinceMs.get(clusterId) ?? nowMs),
      );
      const dueMs = Math.min(
        Math.max(goneSinceMs, world.calmSinceMs(), otherSinceMs) + OUT_WITHIN_MS,
        Math.max(goneSinceMs, world.calmSinceMs(), backMs) + BACK_WITHIN_MS + OUT_WITHIN_MS,
      );
      if (nowMs >= dueMs)
        broken(
          `${zone.name}'s gateway uses ${dead.clusterId}, which is gone for ${Math.round(nowMs - goneSinceMs)} ms`,
        );
    };
    world.time.schedule(LOOK_EACH_MS, look);
    return {};
  },
};

/** Since when it is so without a break; never, while it is not. */
function noteSince(since: Map<string, number>, what: string, isSo: boolean, nowMs: number): number {
  if (!isSo) {
    since.delete(what);
    return Number.POSITIVE_INFINITY;
  }
  const sinceMs = since.get(what) ?? nowMs;
  since.set(what, sinceMs);
  return sinceMs;
}
