import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type AttemptsSoFar,
  decideRetry,
  pauseBeforeSameMs,
} from "../../../gateway/core/decide-retry.ts";
import { noPingsYet, type PingEvent, stepPings } from "../../../gateway/core/judge-pings.ts";
import { createDemandMeter } from "../../../gateway/core/measure-demand.ts";
import { createRequestIds } from "../../../gateway/core/request-id.ts";
import { createRetryBudgets } from "../../../gateway/core/retry-budget.ts";

const first: AttemptsSoFar = {
  failure: "not-sent",
  isIdempotent: false,
  isBodySpent: false,
  attempts: 1,
  attemptsMax: 3,
  withdrawals: 0,
  remainingMs: 1_000,
};
const retries: readonly (readonly [
  name: string,
  call: Partial<AttemptsSoFar>,
  decision: string,
])[] = [
  ["what was not sent is tried again", {}, "again"],
  ["what was refused is tried again", { failure: "refused" }, "again"],
  ["what may have run is not repeated", { failure: "maybe-executed" }, "give-up"],
  [
    "but for a function declared idempotent, on the budget",
    { failure: "maybe-executed", isIdempotent: true },
    "again-on-budget",
  ],
  [
    "what was refused after a part of its body was sent on is not: that part is gone",
    { failure: "refused", isBodySpent: true },
    "give-up",
  ],
  ["what was withdrawn once is tried elsewhere", { failure: "not-begun", withdrawals: 1 }, "again"],
  [
    "what silences a second cluster is not carried to a third",
    { failure: "not-begun", withdrawals: 2 },
    "give-up",
  ],
  ["at most three attempts", { attempts: 3 }, "give-up"],
  ["not without failover", { attemptsMax: 1 }, "give-up"],
  ["not with too little time left", { remainingMs: 49 }, "give-up"],
  ["nor after the deadline", { remainingMs: -5, isIdempotent: true }, "give-up"],
];

for (const [name, call, decision] of retries)
  test(name, () => {
    assert.equal(decideRetry({ ...first, ...call }).kind, decision);
  });

test("the pause before the same cluster is spread over 25 to 250 ms, and leaves time for the attempt", () => {
  const least = { next: () => 0 };
  const most = { next: () => 1 };
  assert.equal(pauseBeforeSameMs(1_000, least), 25);
  assert.equal(pauseBeforeSameMs(1_000, most), 250);
  assert.equal(pauseBeforeSameMs(150, most), 100);
  assert.equal(pauseBeforeSameMs(20, most), 0);
});

const LIMITS = { retriesMin: 10, retryPercent: 20, retriesMinOfAll: 40 };
const budget = () => createRetryBudgets(LIMITS).of("demo");
const spendAll = (spender: ReturnType<typeof budget>, nowMs: number): number => {
  let spent = 0;
  while (spender.trySpend(nowMs)) spent += 1;
  return spent;
};

test("a quiet gateway may retry ten times in ten seconds", () => {
  const spender = budget();
  spender.countRequest(0);
  assert.equal(spendAll(spender, 0), 10);
  assert.equal(spendAll(spender, 9_999), 0);
  assert.equal(spendAll(spender, 10_000), 10);
});

test("a busy one, a fifth of its requests", () => {
  const spender = budget();
  for (let request = 0; request < 1_000; request += 1) spender.countRequest(request * 10);
  assert.equal(spendAll(spender, 9_999), 200);
});

test("retries of what did not run are free as long as they help", () => {
  const spender = budget();
  for (let call = 0; call < 1_000; call += 1) {
    assert.ok(spender.tryFree(0));
    spender.endFree(true, 0);
  }
  assert.equal(spendAll(spender, 0), 10);
});

test("those that fail are spent like the others", () => {
  const spender = budget();
  let permitted = 0;
  while (spender.tryFree(0)) {
    permitted += 1;
    spender.endFree(false, 0);
  }
  assert.equal(permitted, 10);
  assert.equal(spender.trySpend(0), false);
});

test("a crowd of them is free until the first have ended, and then held to what is expected of them", () => {
  const spender = budget();
  for (let call = 0; call < 100; call += 1) assert.ok(spender.tryFree(0));
  spender.endFree(false, 0);
  assert.equal(spender.tryFree(0), false, "all 99 others are expected to fail");
  for (let call = 0; call < 99; call += 1) spender.endFree(true, 0);
  for (let call = 0; call < 100; call += 1) assert.ok(spender.tryFree(0), "one in a hundred fails");
});

test("while every attempt fails, all retries together stay a fifth of the requests", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("free", "spend"), fc.integer({ min: 1, max: 8 })), {
        minLength: 100,
        maxLength: 400,
      }),
      (retries) => {
        const spender = budget();
        const underWay: number[] = [];
        let sent = 0;
        for (const [index, [kind, endsAfter]] of retries.entries()) {
          spender.countRequest(index);
          if (kind === "spend") sent += Number(spender.trySpend(index));
          else if (spender.tryFree(index)) {
            sent += 1;
            underWay.push(index + endsAfter);
          }
          while (underWay[0] !== undefined && underWay[0] <= index) {
            underWay.shift();
            spender.endFree(false, index);
          }
        }
        // Eight at most were under way before the first had ended.
        assert.ok(sent <= Math.max(10 + 8, retries.length * 0.2), `${sent} of ${retries.length}`);
      },
    ),
  );
});

test("a tenant whose calls fail uses up nothing of its neighbours' retries", () => {
  const all = createRetryBudgets(LIMITS);
  for (let request = 0; request < 1_000; request += 1) all.of("noisy").countRequest(0);
  assert.equal(spendAll(all.of("noisy"), 0), 200);
  assert.equal(spendAll(all.of("quiet"), 0), 10, "its minimum");
  for (let request = 0; request < 100; request += 1) all.of("busy").countRequest(0);
  assert.equal(spendAll(all.of("busy"), 0), 20, "its share");
});

test("many that call little together retry no more than all may; who has a share keeps it", () => {
  const all = createRetryBudgets(LIMITS);
  let permitted = 0;
  for (let tenant = 0; tenant < 50; tenant += 1) permitted += spendAll(all.of(`t-${tenant}`), 0);
  assert.equal(permitted, 40);
  for (let request = 0; request < 100; request += 1) all.of("busy").countRequest(0);
  assert.equal(spendAll(all.of("busy"), 0), 20);
});

test("however many tenants call, what is kept of them is bounded, and the last are known", () => {
  const all = createRetryBudgets(LIMITS);
  const first = all.of("first");
  for (let tenant = 0; tenant < 2_000; tenant += 1) all.of(`t-${tenant}`);
  assert.notEqual(all.of("first"), first);
  assert.equal(all.of("t-1999"), all.of("t-1999"));
});

test("the state of the budget is that of the last ten seconds", () => {
  const all = createRetryBudgets(LIMITS);
  for (let request = 0; request < 400; request += 1) all.of("demo").countRequest(0);
  all.of("demo").trySpend(1_000);
  assert.deepEqual(all.state(1_000), { requests: 400, spent: 1, allowed: 120, refused: 0 });
  assert.deepEqual(all.state(60_000), { requests: 0, spent: 0, allowed: 40, refused: 0 });
});

test("requests older than ten seconds earn nothing", () => {
  const spender = budget();
  for (let request = 0; request < 1_000; request += 1) spender.countRequest(500);
  assert.equal(spendAll(spender, 60_000), 10);
});

const pingLimits = { missesToAvoid: 3, goodToReturn: 2 };
const pings: readonly (readonly [events: readonly PingEvent[], view: string])[] = [
  [[], "unknown"],
  [["good"], "good"],
  [["missed", "missed"], "unknown"],
  [["missed", "missed", "missed"], "avoid"],
  [["good", "missed", "missed"], "good"],
  [["good", "missed", "missed", "missed"], "avoid"],
  [["missed", "missed", "good", "missed", "missed"], "good"],
  [["refused"], "avoid"],
  [["good", "refused"], "avoid"],
  [["refused", "good"], "avoid"],
  [["refused", "good", "good"], "good"],
  [["refused", "good", "missed", "good"], "avoid"],
];

for (const [events, view] of pings)
  test(`after pings [${events.join(", ")}] a cluster is ${view}`, () => {
    const state = events.reduce(
      (before, event) => stepPings(before, event, pingLimits),
      noPingsYet,
    );
    assert.equal(state.view, view);
  });

test("demand is averaged over about two seconds and fades", () => {
  const meter = createDemandMeter();
  const second = (requests: number) => {
    for (let request = 0; request < requests; request += 1) meter.count("demo");
    return meter.endInterval(1_000)[0]?.requestsPerSecond ?? 0;
  };
  const start = second(100);
  assert.ok(start > 35 && start < 45, `${start}`);
  for (let elapsed = 0; elapsed < 10; elapsed += 1) second(100);
  assert.ok(second(100) > 99);
  for (let elapsed = 0; elapsed < 30; elapsed += 1) second(0);
  assert.deepEqual(meter.endInterval(1_000), []);
});

test("a sane request id of the caller is kept, any other replaced", () => {
  const ids = createRequestIds("abc");
  assert.equal(ids("Order-17_b"), "Order-17_b");
  for (const insane of ["", "a b", "a\r\nx: y", "ü", "x".repeat(65), "../x"])
    assert.match(ids(insane), /^abc-[0-9a-z]+$/);
  assert.notEqual(ids(undefined), ids(undefined));
});
