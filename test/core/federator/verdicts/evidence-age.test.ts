import assert from "node:assert/strict";
import { test } from "node:test";
import { noteTransit, type Transit } from "../../../../federator/core/verdicts/evidence-age.ts";

/** Of messages that were sent and came at these times, how old each was on arrival. */
function agesOf(messages: readonly (readonly [sentAtMs: number, receivedAtMs: number])[]) {
  let transit: Transit | undefined;
  return messages.map(([sentAtMs, receivedAtMs]) => {
    const noted = noteTransit(transit, sentAtMs, receivedAtMs);
    ({ transit } = noted);
    return Math.round(noted.ageMs);
  });
}

test("with clocks that have nothing to do with each other, what takes as long as ever is fresh", () => {
  assert.deepEqual(
    agesOf([
      [500, 90_010],
      [1_000, 90_510],
      [1_500, 91_012],
    ]),
    [0, 0, 1],
  );
});

test("what waited while we stood still is as old as it is", () => {
  assert.deepEqual(
    agesOf([
      [500, 90_010],
      [1_000, 95_510],
      [6_000, 95_511],
    ]),
    [0, 4_989, 0],
  );
});

test("a quicker message shows how slow those before it were", () => {
  assert.deepEqual(
    agesOf([
      [0, 3_000],
      [3_000, 3_010],
      [3_500, 3_515],
    ]),
    [0, 0, 4],
  );
});

test("clocks that drift apart by a thousandth for a day do not make fresh messages old", () => {
  const hourly = Array.from(
    { length: 86_400 },
    (_, second) => [second * 999, second * 1_000] as const,
  );
  assert.ok(agesOf(hourly).every((ageMs) => ageMs < 1));
});
