import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { LocatedCall } from "../../../gateway/call.ts";
import { createHedgeBudget, createHedgeDelays } from "../../../gateway/core/hedge-delay.ts";
import type { Outcome } from "../../../gateway/ports.ts";
import type { Attempt } from "../../../gateway/stages/forward.ts";
import { hedgeAttempts } from "../../../gateway/stages/hedge.ts";
import { euWest, usEast } from "../../core/gateway/zones.ts";

const answered = (body: Readable | string = ""): Outcome => ({
  kind: "answered",
  answer: { status: 200, headers: {}, body: typeof body === "string" ? Buffer.from(body) : body },
});
const failed: Outcome = { kind: "failed", failure: "maybe-executed", reason: "it broke" };

/** One call of a function that usually takes 50 ms, with each attempt's end in the test's hands. */
function hedgedCall(elsewhere = true) {
  const sent: Attempt[] = [];
  const ends: ((outcome: Outcome) => void)[] = [];
  const hedges: boolean[] = [];
  let beLate: () => void = () => undefined;
  const delays = createHedgeDelays();
  const budget = createHedgeBudget();
  for (let call = 0; call < 20; call += 1) {
    delays.count("demo/hello@1", 50);
    budget.countRequest(0);
  }
  const clock = {
    nowMs: () => 0,
    wallMs: () => 0,
    sleep: (delayMs: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        assert.equal(delayMs, 50);
        beLate = resolve;
        signal?.addEventListener("abort", () => reject(new Error("it ended")));
      }),
  };
  const hedged = hedgeAttempts(
    { clock, delays, budget, onHedge: (hasWon) => hedges.push(hasWon) },
    (attempt) => {
      sent.push(attempt);
      return new Promise((resolve) => ends.push(resolve));
    },
  );
  const call = {
    door: { tenant: "demo", functionName: "hello" },
    version: { version: 1, manifest: { idempotent: true, hedge: true } },
    body: new Uint8Array(),
  } as unknown as LocatedCall;
  const ended = hedged({ call, zone: euWest, number: 1 }, () => (elsewhere ? usEast : undefined));
  return {
    sent,
    hedges,
    ended,
    end: (index: number, outcome: Outcome) => ends[index]?.(outcome),
    late: async () => {
      beLate();
      await new Promise(setImmediate);
    },
  };
}

test("an answer in time is the answer, and nothing else was sent", async () => {
  const call = hedgedCall();
  call.end(0, answered());
  const { zone, sentTo } = await call.ended;
  assert.deepEqual([zone, sentTo, call.sent.length, call.hedges], [euWest, [euWest], 1, []]);
});

test("the second answers first: the first is withdrawn", async () => {
  const call = hedgedCall();
  await call.late();
  assert.deepEqual(
    call.sent.map(({ zone, number }) => [zone, number]),
    [
      [euWest, 1],
      [usEast, 2],
    ],
  );
  call.end(1, answered());
  const { zone, sentTo } = await call.ended;
  assert.deepEqual([zone, sentTo, call.hedges], [usEast, [euWest, usEast], [true]]);
  assert.deepEqual(
    call.sent.map(({ withdrawn }) => withdrawn?.aborted),
    [true, false],
  );
});

test("the first answers after all: the second is withdrawn, and its answer thrown away", async () => {
  const call = hedgedCall();
  await call.late();
  call.end(0, answered());
  assert.equal((await call.ended).zone, euWest);
  assert.equal(call.sent[1]?.withdrawn?.aborted, true);
  assert.deepEqual(call.hedges, [false]);
  const tooLate = Readable.from(["an answer"]);
  call.end(1, answered(tooLate));
  await new Promise(setImmediate);
  assert.ok(tooLate.destroyed);
});

for (const first of [0, 1])
  test(`attempt ${first + 1} fails first: the other one has its time`, async () => {
    const call = hedgedCall();
    await call.late();
    call.end(first, failed);
    await new Promise(setImmediate);
    call.end(1 - first, answered());
    const { outcome, sentTo } = await call.ended;
    assert.deepEqual([outcome.kind, sentTo.length], ["answered", 2]);
    assert.ok(call.sent.every(({ withdrawn }) => withdrawn?.aborted === false));
  });

test("both fail: that is how the call ended, at two clusters", async () => {
  const call = hedgedCall();
  await call.late();
  call.end(0, failed);
  call.end(1, failed);
  const { outcome, sentTo } = await call.ended;
  assert.deepEqual([outcome, sentTo.length, call.hedges], [failed, 2, [false]]);
});

test("a first attempt that fails in time is not hedged but left to the retries", async () => {
  const call = hedgedCall();
  call.end(0, failed);
  assert.deepEqual((await call.ended).sentTo, [euWest]);
  assert.equal(call.sent.length, 1);
});

test("where there is no other cluster the call waits for the one", async () => {
  const call = hedgedCall(false);
  await call.late();
  call.end(0, answered());
  assert.deepEqual((await call.ended).sentTo, [euWest]);
  assert.equal(call.sent.length, 1);
});
