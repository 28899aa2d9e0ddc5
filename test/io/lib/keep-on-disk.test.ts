import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { keepOnDisk } from "#lib/io/keep-on-disk.ts";
import { routeTableState } from "#lib/route-table-state.ts";

const position = { incarnation: "one", revision: 1 };

/** How long it waits after a save that took so long. */
async function pauseAfter(saveTakesMs: number): Promise<number> {
  let nowMs = 0;
  const pauses: number[] = [];
  const clock = {
    nowMs: () => nowMs,
    wallMs: () => 0,
    sleep: async (delayMs: number) => {
      pauses.push(delayMs);
    },
  };
  const state = routeTableState();
  const digest = "0".repeat(64);
  state.take({ kind: "full", nonce: 0, position, digest, entries: [] }, "own-disk");
  const file = {
    load: async () => state,
    save: async () => {
      nowMs += saveTakesMs;
    },
  };
  const disk = keepOnDisk(
    file,
    state,
    clock,
    pino({ level: "silent" }),
    new AbortController().signal,
  );
  disk.changed();
  await disk.settled();
  return pauses[0] ?? 0;
}

test("the table is saved once a second at most", async () => {
  assert.equal(await pauseAfter(10), 1_000);
});

test("a save that takes long leaves the disk to others for twenty times as long", async () => {
  assert.equal(await pauseAfter(500), 10_000);
});

test("a process that stood still for a quarter of a minute during a save saves again after half a minute", async () => {
  assert.equal(await pauseAfter(15_000), 30_000);
});
