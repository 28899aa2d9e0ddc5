import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  noRhythm,
  noteInterval,
  phi,
  type Rhythm,
  silenceForPhiMs,
} from "../../../../federator/core/verdicts/phi-accrual.ts";

const limits = {
  expectedIntervalMs: 500,
  deviationMinMs: 50,
  deviationMaxMs: 100,
  acceptablePauseMs: 1_900,
};
const rhythmOf = (intervalsMs: readonly number[]): Rhythm =>
  intervalsMs.reduce((rhythm, intervalMs) => noteInterval(rhythm, intervalMs, limits), noRhythm);
const steady = rhythmOf(Array.from({ length: 300 }, () => 500));
/** Every fourth answer is lost. */
const lossy = rhythmOf(Array.from({ length: 300 }, (_, index) => (index % 4 === 0 ? 1_000 : 500)));
const downAfterMs = (rhythm: Rhythm): number => Math.round(silenceForPhiMs(rhythm, 8, limits));

test("it is down about 2.66 s after the last answer of a steady rhythm, seen or only expected", () => {
  assert.equal(downAfterMs(steady), 2_661);
  assert.equal(downAfterMs(noRhythm), 2_661);
});

test("a pause of 2 s is no loss, whenever in the probe interval it begins", () => {
  assert.ok(phi(steady, 500 + 2_000, limits) < 8);
});

test("an uneven rhythm earns more patience, up to the ceiling", () => {
  assert.equal(downAfterMs(lossy), 625 + 1_900 + 523);
  assert.ok(downAfterMs(lossy) > downAfterMs(steady));
});

test("the floor keeps a perfect rhythm from making a proof of any hiccup", () => {
  assert.ok(phi(steady, 500 + 1_900 + 50, limits) < 1);
});

test("an interval longer than the acceptable pause was an outage and is forgotten", () => {
  assert.deepEqual(noteInterval(steady, 1_901, limits), steady);
});

test("only the last 200 intervals count", () => {
  const changed = rhythmOf([
    ...Array.from({ length: 200 }, () => 1_500),
    ...Array.from({ length: 200 }, () => 500),
  ]);
  assert.equal(changed.intervalsMs.length, 200);
  assert.equal(downAfterMs(changed), downAfterMs(steady));
});

test("suspicion only grows with the silence, and never ends at infinity", () => {
  const silences = fc.integer({ min: 0, max: 10_000_000 });
  fc.assert(
    fc.property(silences, silences, (one, other) => {
      const [less, more] = [phi(steady, one, limits), phi(steady, other, limits)];
      assert.ok(Number.isFinite(less) && less >= 0);
      if (one < other) assert.ok(less <= more);
    }),
  );
});

test("the silence for a phi is the inverse of the phi for a silence", () => {
  const intervals = fc.array(fc.integer({ min: 1, max: 3_000 }), { maxLength: 250 });
  fc.assert(
    fc.property(intervals, fc.integer({ min: 1, max: 16 }), (intervalsMs, reached) => {
      const rhythm = rhythmOf(intervalsMs);
      const back = phi(rhythm, silenceForPhiMs(rhythm, reached, limits), limits);
      assert.ok(Math.abs(back - reached) < 1e-6, `${back} instead of ${reached}`);
    }),
  );
});
