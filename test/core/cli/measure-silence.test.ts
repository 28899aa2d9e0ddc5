import assert from "node:assert/strict";
import { test } from "node:test";
import { addSilence, SILENCE_LIMIT_MS, TICK_MS } from "../../../cli/up/core/measure-silence.ts";

test("a gateway that is silent through ticks on time is withdrawn within a second", () => {
  let silentMs = 0;
  let passedMs = 0;
  while (silentMs < SILENCE_LIMIT_MS) {
    silentMs = addSilence(silentMs, TICK_MS);
    passedMs += TICK_MS;
  }
  assert.ok(passedMs < 1_000);
});

test("a single late tick, however late, withdraws nobody: its beats are waiting to be read", () => {
  assert.ok(addSilence(0, 3_600_000) < SILENCE_LIMIT_MS / 2);
});

test("a clock that stands still or goes back takes no silence away", () => {
  assert.equal(addSilence(100, 0), 100);
  assert.equal(addSilence(100, -50), 100);
});
