import type { SeededRandom } from "../engine/seeded-random.ts";
import type { SimulatedZone } from "../world/zone.ts";
import type { World } from "../world/world.ts";
import type { Fault } from "./fault.ts";

/** Three leases of the leader in the simulated configuration. */
const THREE_LEASES_MS = 15_000;

export const zoneFaults: readonly Fault[] = [
  {
    name: "zone crash",
    lastsMs: { low: 500, high: 40_000 },
    begin: (world, random) => {
      const zone = anyZone(world, random);
      zone.crash();
      return zone.start;
    },
  },
  {
    name: "federator crash",
    lastsMs: { low: 100, high: 15_000 },
    begin: (world, random) => {
      const zone = anyZone(world, random);
      zone.crashFederator();
      return zone.startFederator;
    },
  },
  {
    name: "gateway crash",
    lastsMs: { low: 100, high: 5_000 },
    begin: (world, random) => {
      const zone = anyZone(world, random);
      zone.crashGateway();
      return zone.restartGateway;
    },
  },
  freeze("pause for garbage", 200, 2_000),
  freeze("zone frozen for three leases", THREE_LEASES_MS, THREE_LEASES_MS),
  {
    name: "leader frozen for three leases",
    lastsMs: { low: THREE_LEASES_MS, high: THREE_LEASES_MS },
    begin: (world, random) => {
      const zone =
        world.zones.find(({ federator }) => federator()?.isLeader() === true) ??
        anyZone(world, random);
      zone.freeze();
      return zone.thaw;
    },
  },
  {
    name: "wall clock step",
    lastsMs: { low: 1_000, high: 30_000 },
    begin: (world, random) => {
      const zone = anyZone(world, random);
      const byMs = random.pick([3_600_000, -3_600_000]);
      zone.stepWallClock(byMs);
      return () => zone.stepWallClock(-byMs);
    },
  },
  {
    name: "agent dies",
    isCalm: true,
    lastsMs: { low: 2_000, high: 40_000 },
    begin: (world, random) => {
      const { agent } = anyZone(world, random);
      agent.kill(random.pick(["process", "machine"]));
      return agent.start;
    },
  },
  {
    name: "agent hangs",
    lastsMs: { low: 500, high: 20_000 },
    begin: (world, random) => {
      const host = anyZone(world, random).agent.host();
      host?.freeze();
      return () => host?.thaw();
    },
  },
];

function freeze(name: string, low: number, high: number): Fault {
  return {
    name,
    lastsMs: { low, high },
    begin: (world, random) => {
      const zone = anyZone(world, random);
      zone.freeze();
      return zone.thaw;
    },
  };
}

function anyZone({ zones }: World, random: SeededRandom): SimulatedZone {
  const zone = zones[random.index(zones.length)];
  if (zone === undefined) throw new Error("a world without zones");
  return zone;
}
