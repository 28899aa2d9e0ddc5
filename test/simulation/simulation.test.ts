import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed, type SeedResult } from "./run-seed.ts";
import { runSeeds } from "./run-seeds.ts";

/** `MERIDIAN_SIMULATION_SEEDS=5000` plays as many. */
const SEEDS = Number(process.env["MERIDIAN_SIMULATION_SEEDS"] ?? 12);
const SETTINGS = { zones: 3, minutes: 5 } as const;

const firstSeeds = Array.from({ length: SEEDS }, (_, index) => ({ seed: index + 1, ...SETTINGS }));

async function resultsOf(
  worlds: Parameters<typeof runSeeds>[0],
  processes: number,
): Promise<readonly SeedResult[]> {
  const results: SeedResult[] = [];
  await runSeeds(worlds, { processes }, (result) => results.push(result));
  return results;
}

const brokenIn = (results: readonly SeedResult[], options = ""): readonly string[] =>
  results
    .filter(({ broken }) => broken !== null)
    .map(
      ({ seed, broken }) =>
        `npm run simulate -- --seed ${seed}${options} --trace    ${broken?.invariant}: ${broken?.why}`,
    );

/** Played once, for all tests: a process that is new at it takes three times as long for a world. */
let played: Promise<readonly SeedResult[]> | undefined;
const playFirst = (): Promise<readonly SeedResult[]> => (played ??= resultsOf(firstSeeds, 2));

test(`in ${SEEDS} worlds of five minutes every promise holds, whatever breaks`, async () => {
  const results = await playFirst();
  assert.equal(results.length, SEEDS);
  assert.deepEqual(brokenIn(results), []);
});

for (const zones of [2, 5])
  test(`a federation of ${zones} zones keeps them too`, async () => {
    const worlds = [1, 2].map((seed) => ({ ...SETTINGS, zones, seed }));
    assert.deepEqual(brokenIn(await resultsOf(worlds, 1), ` --zones ${zones}`), []);
  });

test("a seed replays to the same trace: twice here, on the platform's own AbortController, and in another process", async () => {
  const world = { seed: 7, ...SETTINGS };
  const [first, second] = [await runSeed(world), await runSeed(world)];
  const elsewhere = (await playFirst()).find(({ seed }) => seed === world.seed);
  assert.equal(second.traceHash, first.traceHash);
  assert.equal(elsewhere?.traceHash, first.traceHash);
  assert.equal(elsewhere?.events, first.events);
});

test("another seed is another world", async () => {
  const results = await playFirst();
  assert.equal(new Set(results.map(({ traceHash }) => traceHash)).size, SEEDS);
});
