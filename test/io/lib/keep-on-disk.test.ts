import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { keepOnDisk } from "#lib/io/keep-on-disk.ts";
import { type RouteTableState, routeTableState } from "#lib/route-table-state.ts";

const position = { incarnation: "one", revision: 1 };

/** How long it waits after it saved a table of so many characters, which took so long. */
async function pauseAfter(characters: number, saveTakesMs: number): Promise<number> {
  let nowMs = 0;
  const pauses: number[] = [];
  const clock = {
    nowMs: () => nowMs,
    wallMs: () => 0,
    sleep: async (delayMs: number) => {
      pauses.push(delayMs);
    },
  };
  const loaded = routeTableState();
  const digest = "0".repeat(64);
  loaded.take({ kind: "full", nonce: 0, position, digest, entries: [] }, "own-disk");
  const state: RouteTableState = {
    ...loaded,
    texts: () => [{ key: "", text: "x".repeat(characters) }],
  };
  const file = {
    load: async () => state,
    save: async () => {
      nowMs += saveTakesMs;
    },
  };
  const { signal } = new AbortController();
  const disk = keepOnDisk(file, state, clock, pino({ level: "silent" }), signal);
  disk.changed();
  await disk.settled();
  return pauses[0] ?? 0;
}

const cases = [
  { name: "a small table is saved five times a second at most", characters: 1_000, pauseMs: 200 },
  { name: "four megabytes wait for a second", characters: 4_000_000, pauseMs: 1_000 },
  { name: "the largest wait for half a minute", characters: 200_000_000, pauseMs: 30_000 },
];
for (const { name, characters, pauseMs } of cases)
  test(`${name}, however long the machine stood still meanwhile`, async () => {
    assert.equal(await pauseAfter(characters, 0), pauseMs);
    assert.equal(await pauseAfter(characters, 15_000), pauseMs);
  });
