import assert from "node:assert/strict";
import { test } from "node:test";
import { afflict } from "./election/election-faults.ts";
import {
  type ElectionWorld,
  type Planted,
  startElectionWorld,
  TTL_MS,
} from "./election/election-world.ts";

/** `MERIDIAN_ELECTION_SEEDS=10000` plays as many; a seed takes 6 ms of CPU. */
const SEEDS = Number(process.env["MERIDIAN_ELECTION_SEEDS"] ?? 1_000);
const SEEDS_TO_CATCH = 300;
const FAULTS_END_MS = 7 * TTL_MS;
/** Time for the last fault to be undone, and for the seat to be taken again. */
const ENDS_MS = 14 * TTL_MS;

async function play(seed: string, planted?: Planted): Promise<ElectionWorld> {
  const world = startElectionWorld(seed, planted);
  afflict(world, FAULTS_END_MS);
  await world.time.runUntil(ENDS_MS);
  world.time.stop();
  return world;
}

test(`in ${SEEDS} worlds of pauses, cuts, lost and doubled messages, deaths and wrong clocks no two leaders act, and nobody believes longer than the catalog`, async () => {
  let [acts, elections] = [0, 0];
  for (let index = 0; index < SEEDS; index += 1) {
    const seed = `election ${index}`;
    const world = await play(seed);
    assert.deepEqual(world.wrongs, [], seed);
    const leads = world.zones.filter((zone) => world.candidate(zone)?.seat.held() != null);
    assert.equal(leads.length, 1, `${seed}: when all is well again, somebody leads`);
    acts += world.acts();
    elections += world.elections();
  }
  assert.ok(elections > 2 * SEEDS && acts > 10 * SEEDS, `${elections} elections, ${acts} acts`);
});

const mistakes: readonly { readonly name: string; readonly planted: Planted }[] = [
  { name: "acts that do not compare the token", planted: { isUnfenced: true } },
  { name: "clocks that run slower than promised", planted: { clockRate: 0.85 } },
];
for (const { name, planted } of mistakes) {
  test(`such worlds catch ${name}`, async () => {
    let caught = 0;
    for (let index = 0; index < SEEDS_TO_CATCH; index += 1)
      if ((await play(`planted ${index}`, planted)).wrongs.length > 0) caught += 1;
    assert.ok(caught > 0);
  });
}
