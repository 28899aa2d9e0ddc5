import type { Weather } from "../engine/network.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import { CATALOG_PLACE } from "../world/settings.ts";
import type { World } from "../world/world.ts";
import type { Fault } from "./fault.ts";

type Way = readonly [from: string, to: string];

export const networkFaults: readonly Fault[] = [
  cut("partition of two zones", 1_000, 40_000, (world, random) =>
    bothWays(twoZones(world, random)),
  ),
  cut("one zone cut off from all", 1_000, 40_000, (world, random) => {
    const [zone] = twoZones(world, random);
    return places(world)
      .filter((other) => other !== zone)
      .flatMap((other) => bothWays([zone, other]));
  }),
  cut("zone cut off from the catalog", 1_000, 40_000, (world, random) => {
    const [zone] = twoZones(world, random);
    return bothWays([zone, CATALOG_PLACE]);
  }),
  cut("answers of the catalog lost", 1_000, 15_000, (world, random) => {
    const [zone] = twoZones(world, random);
    return [[CATALOG_PLACE, zone]];
  }),
  cut("one way between two zones cut", 1_000, 30_000, (world, random) => [twoZones(world, random)]),
  cut("a gateway cut off from its federator", 500, 15_000, (world, random) => {
    const [zone] = twoZones(world, random);
    return [[zone, zone]];
  }),
  weather("loss of 5 %", 5_000, 60_000, { lossShare: 0.05 }),
  weather("duplication", 5_000, 60_000, { duplicateShare: 0.2 }),
  weather("reordering", 5_000, 60_000, { jitterMs: 400 }),
  weather("spikes of delay", 2_000, 15_000, { jitterMs: 3_000 }),
  {
    name: "streams cut",
    lastsMs: { low: 100, high: 5_000 },
    begin: ({ network, ...world }, random) => {
      const how = random.pick(["reset", "half-open"]);
      for (const zone of places(world)) {
        network.breakStreams(CATALOG_PLACE, zone, how);
        if (random.chance(0.5)) network.breakStreams(zone, zone, how);
      }
      return () => undefined;
    },
  },
];

function cut(
  name: string,
  low: number,
  high: number,
  choose: (world: World, random: SeededRandom) => readonly Way[],
): Fault {
  return weatherOn(name, low, high, choose, { isCut: true });
}

/** On every way there is. */
function weather(name: string, low: number, high: number, change: Partial<Weather>): Fault {
  return weatherOn(
    name,
    low,
    high,
    (world) => places(world).flatMap((from) => places(world).map((to): Way => [from, to])),
    change,
  );
}

function weatherOn(
  name: string,
  low: number,
  high: number,
  choose: (world: World, random: SeededRandom) => readonly Way[],
  change: Partial<Weather>,
): Fault {
  return {
    name,
    lastsMs: { low, high },
    begin: (world, random) => {
      const ways = choose(world, random);
      const undo = ways.map(([from, to]) => world.network.setWeather(from, to, change));
      return () => {
        for (const back of undo) back();
      };
    },
  };
}

const places = ({ zones }: Pick<World, "zones">): readonly string[] => [
  ...zones.map(({ name }) => name),
  CATALOG_PLACE,
];

function twoZones({ zones }: World, random: SeededRandom): Way {
  const first = random.index(zones.length);
  const second = (first + 1 + random.index(zones.length - 1)) % zones.length;
  return [zones[first]?.name ?? "", zones[second]?.name ?? ""];
}

const bothWays = ([from, to]: Way): readonly Way[] => [
  [from, to],
  [to, from],
];
