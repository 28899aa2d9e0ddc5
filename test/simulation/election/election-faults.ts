import type { SeededRandom } from "../engine/seeded-random.ts";
import { type ElectionWorld, TTL_MS } from "./election-world.ts";

/** One misfortune, and what undoes it. */
type Fault = (world: ElectionWorld, zone: string, chance: SeededRandom) => () => void;

const FAULTS: readonly [Fault, ...Fault[]] = [
  // As a garbage collection or SIGSTOP: also between the decision to write and the write, for nothing tells it when.
  (world, zone) => {
    const host = world.candidate(zone)?.host;
    host?.freeze();
    return () => host?.thaw();
  },
  (world, zone) => {
    world.kill(zone);
    return () => world.start(zone);
  },
  ({ network }, zone) => {
    network.setWeather(zone, "catalog", { isCut: true });
    network.setWeather("catalog", zone, { isCut: true });
    return () => network.heal();
  },
  // Renewals arrive, and nobody hears that they did; or the other way round.
  ({ network }, zone, chance) => {
    const [from, to] = chance.chance(0.5) ? [zone, "catalog"] : ["catalog", zone];
    network.setWeather(from, to, { isCut: true });
    return () => network.heal();
  },
  ({ network, zones }, _zone, chance) => {
    const weather = {
      lossShare: chance.between(0, 0.3),
      duplicateShare: chance.between(0, 0.3),
      jitterMs: chance.between(0, TTL_MS),
    };
    for (const zone of zones) {
      network.setWeather(zone, "catalog", weather);
      network.setWeather("catalog", zone, weather);
    }
    return () => network.heal();
  },
  (world, zone, chance) => {
    world.candidate(zone)?.host.stepWallClock(chance.between(-86_400_000, 86_400_000));
    return () => undefined;
  },
  ({ server }) => {
    server.crash();
    return () => server.start();
  },
  // Somebody deletes the seat: the leader must find out, and stand again.
  (world, zone) => {
    void world.candidate(zone)?.seat.close("revoke");
    return () => {
      world.kill(zone);
      world.start(zone);
    };
  },
];
const LASTS_MAX_MS = 3 * TTL_MS;

/** One misfortune after the other, at any moment, each for up to three times the lease. */
export function afflict(world: ElectionWorld, untilMs: number): void {
  const chance = world.random.fork("faults");
  const strike = (): void => {
    if (world.time.nowMs() > untilMs) return;
    // The leader is the one whom misfortune concerns.
    const leader = world.zones.find((zone) => world.candidate(zone)?.seat.held() != null);
    const zone = chance.chance(0.7) && leader !== undefined ? leader : world.zones[chance.index(3)];
    const undo = chance.pick(FAULTS)(world, zone ?? "a", chance);
    world.time.schedule(chance.between(0, LASTS_MAX_MS), () => {
      undo();
      world.time.schedule(chance.between(0, TTL_MS), strike);
    });
  };
  world.time.schedule(chance.between(0, 2 * TTL_MS), strike);
}
