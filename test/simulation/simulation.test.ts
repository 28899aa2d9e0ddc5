import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed, type SeedResult } from "./run-seed.ts";
import { runSeeds } from "./run-seeds.ts";

/** `MERIDIAN_SIMULATION_SEEDS=5000` plays as many. */
const SEEDS = Number(process.env["MERIDIAN_SIMULATION_SEEDS"] ?? 40);
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

test("a federation of five zones keeps them too, and one of two", async () => {
  const results = await resultsOf(
    [5, 5, 2, 2].map((zones, seed) => ({ ...SETTINGS, zones, seed })),
  );
  assert.deepEqual(results.filter((result) => result.broken !== null).map(describe), []);
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
