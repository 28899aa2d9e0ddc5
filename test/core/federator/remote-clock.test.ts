import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { certainlyAt, noteStamp, type RemoteClock } from "../../../federator/core/remote-clock.ts";

const known: RemoteClock = { clockId: "one", atMs: 500, notedAtMs: 90_000 };

test("between two stamps the other clock is taken to be slow", () => {
  assert.equal(certainlyAt(known, 90_000), 500);
  assert.equal(certainlyAt(known, 91_000), 1_498);
});

test("before the stamp came, it is taken to have been fast", () => {
  assert.equal(certainlyAt(known, 89_900), 399.8);
});

test("a stamp that was on its way for long tells less than one that came quickly before it", () => {
  const late = noteStamp(known, { clockId: "one", atMs: 600 }, 95_000);
  assert.equal(late && certainlyAt(late, 95_000), 5_490);
  const quick = noteStamp(known, { clockId: "one", atMs: 5_510 }, 95_000);
  assert.equal(quick && certainlyAt(quick, 95_000), 5_510);
});

test("a stamp of another process tells nothing of this one's clock", () => {
  assert.equal(noteStamp(known, { clockId: "two", atMs: 3_600_000 }, 90_100), known);
  assert.equal(noteStamp(undefined, { clockId: "two", atMs: 3_600_000 }, 90_100), undefined);
});

test("with whatever delays, and clocks that drift as far as they may, it is never ahead", () => {
  const rate = fc.double({ min: 0.999, max: 1.001, noNaN: true });
  const stamp = fc.record({
    afterMs: fc.integer({ min: 0, max: 100_000 }),
    delayMs: fc.integer({ min: 0, max: 60_000 }),
  });
  fc.assert(
    fc.property(rate, rate, fc.array(stamp, { minLength: 1 }), (ours, theirs, stamps) => {
      // In true time, in the order in which they come.
      let sentMs = 0;
      const arrivals = stamps
        .map(({ afterMs, delayMs }) => ({ sentMs: (sentMs += afterMs), delayMs }))
        .map((one) => ({ ...one, comesMs: one.sentMs + one.delayMs }))
        .toSorted((one, other) => one.comesMs - other.comesMs);
      let clock: RemoteClock | undefined;
      for (const { sentMs: atMs, comesMs, delayMs } of arrivals) {
        const its = { clockId: "one", atMs: atMs * theirs };
        clock =
          clock === undefined
            ? { ...its, notedAtMs: comesMs * ours }
            : noteStamp(clock, its, comesMs * ours);
        assert.ok(clock !== undefined);
        for (const laterMs of [-500, 0, 3_000, 86_400_000]) {
          const certainMs = certainlyAt(clock, (comesMs + laterMs) * ours);
          const trueMs = (comesMs + laterMs) * theirs;
          assert.ok(certainMs <= trueMs + 1e-3, `${certainMs} > ${trueMs}`);
          if (laterMs === 0) assert.ok(trueMs - certainMs <= delayMs * theirs + 1e-3);
        }
      }
    }),
  );
});
