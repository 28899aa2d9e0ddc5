import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coldStartQueue } from "../../../agents/core/cold-start-queue.ts";
import { afterInitFailure, answerAtOnce, noCrashLoop } from "../../../agents/core/crash-loop.ts";

test("calls leave in the order they came", () => {
  const queue = coldStartQueue<string>(3);
  for (const call of ["a", "b", "c"]) assert.equal(queue.join(call, 100), true);
  assert.deepEqual([queue.takeNext(0), queue.takeNext(0), queue.takeNext(0)], ["a", "b", "c"]);
  assert.equal(queue.takeNext(0), undefined);
});

test("a full queue takes no call, and takes one again once one left", () => {
  const queue = coldStartQueue<string>(1);
  assert.equal(queue.join("a", 100), true);
  assert.equal(queue.join("b", 100), false);
  assert.equal(queue.leave("a"), true);
  assert.equal(queue.leave("a"), false);
  assert.equal(queue.join("b", 100), true);
});

test("a call whose time is up is passed over", () => {
  const queue = coldStartQueue<string>(9);
  queue.join("late", 10);
  queue.join("in time", 11);
  assert.equal(queue.takeNext(10), "in time");
  assert.equal(queue.takeNext(10), undefined);
  assert.deepEqual(queue.takeAll(), ["late"]);
  assert.equal(queue.length(), 0);
});

test("no call is lost or taken twice, and the queue never exceeds its length", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("join" as const), deadlineMs: fc.nat(50) }),
    fc.record({ do: fc.constantFrom("take" as const, "leave" as const), deadlineMs: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step), fc.integer({ min: 1, max: 5 }), (steps, lengthMax) => {
      const queue = coldStartQueue<number>(lengthMax);
      const inside = new Set<number>();
      for (const [index, { do: action, deadlineMs }] of steps.entries()) {
        if (action === "join" && queue.join(index, deadlineMs)) inside.add(index);
        if (action === "leave") {
          const [first = -1] = inside;
          assert.equal(queue.leave(first), inside.delete(first));
        }
        const taken = action === "take" ? queue.takeNext(index) : undefined;
        if (taken !== undefined) assert.ok(inside.delete(taken));
        assert.equal(queue.length(), inside.size);
        assert.ok(queue.length() <= lengthMax);
      }
      assert.deepEqual(queue.takeAll(), [...inside]);
    }),
  );
});

test("each init failure doubles the wait, from a tenth of a second to thirty", () => {
  const error = { errorMessage: "no", errorType: "Error" };
  let loop = noCrashLoop;
  let nowMs = 0;
  const waits: number[] = [];
  for (let failure = 1; failure <= 11; failure += 1) {
    loop = afterInitFailure(loop, error, nowMs);
    waits.push(loop.startAtMs - nowMs);
    assert.equal(answerAtOnce(loop, nowMs) !== undefined, failure >= 5, `failure ${failure}`);
    assert.equal(answerAtOnce(loop, loop.startAtMs), undefined);
    nowMs = loop.startAtMs;
  }
  assert.deepEqual(waits.slice(0, 4), [100, 200, 400, 800]);
  assert.deepEqual(waits.slice(-2), [30_000, 30_000]);
});

test("starts that fail side by side count once, and the newest error is kept", () => {
  const first = afterInitFailure(noCrashLoop, { errorMessage: "1", errorType: "E" }, 0);
  const second = afterInitFailure(first, { errorMessage: "2", errorType: "E" }, 50);
  assert.deepEqual(second, { ...first, lastError: { errorMessage: "2", errorType: "E" } });
});
