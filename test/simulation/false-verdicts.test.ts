import assert from "node:assert/strict";
import { test } from "node:test";
import {
  collectGarbage,
  cutOff,
  denies,
  losePackets,
  slowDown,
  type Bend,
} from "./judging/disturbances.ts";
import { type JudgingWorld, startJudgingWorld } from "./judging/judging-world.ts";

const MINUTE_MS = 60_000;
/** Another one is another hour. */
const SEED = process.env["MERIDIAN_SEED"] ?? "1";
const THREE = ["eu-west", "us-east", "ap-south"];
const FIVE = [...THREE, "eu-north", "sa-east"];

interface Scenario {
  readonly name: string;
  readonly minutes: number;
  readonly zones: readonly string[];
  readonly bends?: readonly Bend[];
  readonly disturb?: (world: JudgingWorld) => void;
}

const blind = cutOff("ap-south");
const oneOfFive = cutOff("sa-east");
const scenarios: readonly Scenario[] = [
  {
    name: "one slow observer",
    minutes: 60,
    zones: THREE,
    disturb: (world) => slowDown(world, "us-east"),
  },
  {
    name: "one observer that lies",
    minutes: 20,
    zones: THREE,
    bends: [denies("us-east", "ap-south")],
  },
  {
    name: "one vantage point cut off again and again",
    minutes: 20,
    zones: THREE,
    bends: [blind.bend],
    disturb: blind.start,
  },
  {
    name: "all of these at once, in five zones",
    minutes: 15,
    zones: FIVE,
    bends: [denies("us-east", "ap-south"), oneOfFive.bend],
    disturb: (world) => {
      slowDown(world, "eu-west");
      oneOfFive.start(world);
    },
  },
];

/** Garbage collections of up to 2 s everywhere and 5 % packet loss are in each of them. */
function startDisturbed({ zones, bends, disturb }: Scenario, seed: string): JudgingWorld {
  const world = startJudgingWorld(seed, zones, bends);
  losePackets(world);
  collectGarbage(world);
  disturb?.(world);
  return world;
}

for (const scenario of scenarios) {
  const { name, minutes } = scenario;
  test(`in ${minutes} minutes of pauses, lost packets and ${name}, nothing is taken out`, async () => {
    const seed = `${SEED}: ${name}`;
    const world = startDisturbed(scenario, seed);
    await world.time.runUntil(minutes * MINUTE_MS);
    world.time.stop();
    assert.deepEqual(world.takenOut, [], `MERIDIAN_SEED=${SEED}`);
  });
}

test("such weather catches a judgement that takes a pause for a death", async () => {
  const world = startJudgingWorld(`${SEED}: impatient`, THREE, [], 300);
  losePackets(world);
  collectGarbage(world);
  slowDown(world, "us-east");
  await world.time.runUntil(20 * MINUTE_MS);
  world.time.stop();
  assert.ok(world.takenOut.length > 0);
});

/* And the other way round: what is really lost is seen to be lost, by the same judgement in the same weather. */

const SETTLED_MS = 90_000;
const FOUND_BY_MS = 3_500;
const SEEDS = 8;

const losses: readonly {
  readonly name: string;
  readonly lose: (world: JudgingWorld) => void;
}[] = [
  { name: "dies", lose: ({ zones }) => zones[2]?.agent.kill("process") },
  { name: "dies with its machine", lose: ({ zones }) => zones[2]?.agent.kill("machine") },
  { name: "hangs", lose: ({ zones }) => zones[2]?.agent.host()?.freeze() },
];
for (const { name, lose } of losses) {
  test(`in the same weather, a cluster that ${name} is out of every zone's use in 3.5 s, and out by verdict`, async () => {
    for (let index = 0; index < SEEDS; index += 1) {
      const seed = `a cluster ${name}, ${index}`;
      const world = startJudgingWorld(seed, THREE);
      losePackets(world);
      const lostAtMs = SETTLED_MS + world.random.between(0, 500);
      await world.time.runUntil(lostAtMs);
      lose(world);
      await world.time.runUntil(lostAtMs + FOUND_BY_MS);
      world.time.stop();
      assert.deepEqual(
        world.takenOut
          .map(({ kind, byZone, clusterId }) =>
            kind === "overlay" ? `${byZone} without ${clusterId}` : `verdict on ${clusterId}`,
          )
          .toSorted(),
        [...THREE.map((zone) => `${zone} without ap-south-1`), "verdict on ap-south-1"].toSorted(),
        seed,
      );
    }
  });
}
