import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed, type SeedResult } from "./run-seed.ts";
import { runSeeds } from "./run-seeds.ts";

/** `MERIDIAN_SIMULATION_SEEDS=5000` plays as many. */
const SEEDS = Number(process.env["MERIDIAN_SIMULATION_SEEDS"] ?? 25);
const SETTINGS = { zones: 3, minutes: 5 } as const;

const firstSeeds = Array.from({ length: SEEDS }, (_, index) => ({ seed: index + 1, ...SETTINGS }));

async function resultsOf(worlds: Parameters<typeof runSeeds>[0]): Promise<readonly SeedResult[]> {
  const results: SeedResult[] = [];
  await runSeeds(worlds, { processes: 2 }, (result) => results.push(result));
  return results;
}

const describe = ({ seed, broken }: SeedResult): string =>
  `npm run simulate -- --seed ${seed} --trace    ${broken?.invariant}: ${broken?.why}`;

test(`in ${SEEDS} worlds of five minutes every promise holds, whatever breaks`, async () => {
  const results = await resultsOf(firstSeeds);
  assert.equal(results.length, SEEDS);
  const broken = results.filter((result) => result.broken !== null);
  assert.deepEqual(broken.map(describe), []);
});

for (const zones of [2, 5])
  test(`a federation of ${zones} zones keeps them too`, async () => {
    const results = await resultsOf([1, 2].map((seed) => ({ ...SETTINGS, zones, seed })));
    const broken = results.filter((result) => result.broken !== null);
    assert.deepEqual(broken.map(describe), []);
  });

test("a seed replays to the same trace: twice here, on the platform's own AbortController, and in another process", async () => {
  const world = { seed: 7, ...SETTINGS };
  const [first, second] = [await runSeed(world), await runSeed(world)];
  const [elsewhere] = await resultsOf([world]);
  assert.equal(second.traceHash, first.traceHash);
  assert.equal(elsewhere?.traceHash, first.traceHash);
  assert.equal(elsewhere?.events, first.events);
});

test("another seed is another world", async () => {
  const results = await resultsOf(firstSeeds.slice(0, 3));
  assert.equal(new Set(results.map(({ traceHash }) => traceHash)).size, 3);
});
