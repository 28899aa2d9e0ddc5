import { hasWitness } from "../../../federator/core/verdicts/weigh-evidence.ts";
import type { SimulatedZone } from "../world/zone.ts";
import type { Invariant } from "./check.ts";

/** Longer than any detection in calm weather takes: probes, gossip, the overlay's way to the gateway, twice each. */
const OUT_WITHIN_MS = 8_000;
const LOOK_EACH_MS = 1_000;

/**
 * Counted from when the cluster was gone, nothing else was wrong, and the gateway had another one in service that answers: the
 * last one in service stays, whatever is said of it.
 */
export const aDeadClusterIsOut: Invariant = {
  name: "8 a dead cluster is out of every reachable zone's table in time",
  start: ({ world, broken }) => {
    // Without a witness nothing is taken out: gateways fail over by themselves.
    if (!hasWitness(world.zones.length)) return {};
    const hasOtherSinceMs = new Map<string, number>();
    const look = (): void => {
      const nowMs = world.time.nowMs();
      for (const zone of world.zones)
        for (const dead of world.zones) {
          const goneSinceMs = dead.agent.goneSinceMs();
          const place = `${zone.name} ${dead.clusterId}`;
          const used = zone.gateway()?.usableClusters() ?? [];
          const isRelevant =
            goneSinceMs !== undefined && !isAlmostAlone(dead) && hasOther(dead, used);
          if (!isRelevant) {
            hasOtherSinceMs.delete(place);
            continue;
          }
          const otherSinceMs = hasOtherSinceMs.get(place) ?? nowMs;
          hasOtherSinceMs.set(place, otherSinceMs);
          const sinceMs = Math.max(goneSinceMs, world.calmSinceMs(), otherSinceMs);
          if (nowMs - sinceMs >= OUT_WITHIN_MS && used.includes(dead.clusterId))
            broken(
              `${zone.name}'s gateway uses ${dead.clusterId}, which is gone for ${Math.round(nowMs - goneSinceMs)} ms`,
            );
        }
      world.time.schedule(LOOK_EACH_MS, look);
    };
    const othersThatAnswer = (dead: SimulatedZone): readonly SimulatedZone[] =>
      world.zones.filter((zone) => zone !== dead && zone.agent.goneSinceMs() === undefined);
    /** An observer that sees most of its targets down distrusts itself. */
    const isAlmostAlone = (dead: SimulatedZone): boolean =>
      othersThatAnswer(dead).length * 2 < world.zones.length;
    const hasOther = (dead: SimulatedZone, used: readonly string[]): boolean =>
      othersThatAnswer(dead).some(({ clusterId }) => used.includes(clusterId));
    world.time.schedule(LOOK_EACH_MS, look);
    return {};
  },
};
