import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type AttemptVerdict,
  createFunctionCircuits,
  type FunctionCircuits,
} from "../../../gateway/core/function-circuits.ts";

const CLUSTER = "eu-west-1";
const FUNCTION = "demo/hello@1";
/** No spread: an even chance is no spread either way. */
const even = { next: () => 0.5 };

const circuits = (max = 100): FunctionCircuits => createFunctionCircuits(even, max);
const call = (all: FunctionCircuits, verdict: AttemptVerdict, nowMs: number, name = FUNCTION) =>
  all.end(CLUSTER, name, all.begin(CLUSTER, name, nowMs), verdict, nowMs);
const calls = (all: FunctionCircuits, verdicts: string, nowMs: number): void => {
  for (const letter of verdicts)
    call(all, letter === "+" ? "sound" : letter === "-" ? "failed" : "no-proof", nowMs);
};
const standing = (all: FunctionCircuits, nowMs: number, name = FUNCTION) =>
  all.standing(CLUSTER, name, nowMs).kind;
const opened = (nowMs = 0): FunctionCircuits => {
  const all = circuits();
  calls(all, "-----", nowMs);
  assert.equal(standing(all, nowMs), "open");
  return all;
};

const openings: readonly (readonly [name: string, verdicts: string, kind: string])[] = [
  ["four failures in a row leave it closed", "----", "closed"],
  ["five open it", "-----", "open"],
  ["a sound call between them begins the row anew", "----+----", "closed"],
  ["one that proves nothing does not", "----?-", "open"],
  ["nineteen calls are too few for a share", "---+".repeat(4) + "--+", "closed"],
  ["more than half of twenty open it", "---+".repeat(4) + "--+-", "open"],
  ["half of twenty do not", "-+".repeat(10), "closed"],
  ["sound calls before the first failure are not counted", `${"+".repeat(30)}-----`, "open"],
];

for (const [name, verdicts, kind] of openings)
  test(name, () => {
    const all = circuits();
    calls(all, verdicts, 1_000);
    assert.equal(standing(all, 1_000), kind);
  });

test("what failed longer than ten seconds ago is not counted", () => {
  const all = circuits();
  for (let second = 0; second < 40; second += 1)
    calls(all, second % 4 === 0 ? "--+" : "+", second * 1_000);
  calls(all, "---+---+", 60_000);
  assert.equal(standing(all, 60_000), "closed");
});

test("a circuit is of one function on one cluster", () => {
  const all = opened();
  assert.equal(standing(all, 0, "demo/hello@2"), "closed");
  assert.equal(all.standing("us-east-1", FUNCTION, 0).kind, "closed");
  assert.deepEqual(all.count(5), { kept: 1, open: 1 });
});

test("functions that never fail have none", () => {
  const all = circuits();
  calls(all, "+?+?".repeat(20), 0);
  assert.deepEqual(all.count(5), { kept: 0, open: 0 });
});

test("it is open for five seconds, twice as long each time it fails its trials, a minute at most", () => {
  const all = opened();
  let nowMs = 0;
  for (const forMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    assert.deepEqual(all.standing(CLUSTER, FUNCTION, nowMs), { kind: "open", forMs });
    nowMs += forMs;
    assert.equal(standing(all, nowMs - 1), "open");
    assert.equal(standing(all, nowMs), "on-trial");
    call(all, "failed", nowMs);
  }
});

test("reopening is spread over a fifth either way", () => {
  const openFor = (chance: number): number => {
    const all = createFunctionCircuits({ next: () => chance }, 10);
    calls(all, "-----", 0);
    const its = all.standing(CLUSTER, FUNCTION, 0);
    return its.kind === "open" ? its.forMs : 0;
  };
  assert.equal(openFor(0), 4_000);
  assert.equal(Math.round(openFor(0.999_999)), 6_000);
});

test("three trials at a time, and three sound ones close it", () => {
  const all = opened();
  const trials = [1, 2, 3].map(() => all.begin(CLUSTER, FUNCTION, 5_000));
  assert.equal(standing(all, 5_000), "open");
  for (const [index, begun] of trials.entries()) {
    assert.equal(standing(all, 5_000), "open", `after ${index}`);
    all.end(CLUSTER, FUNCTION, begun, "sound", 5_000);
  }
  assert.equal(standing(all, 5_000), "closed");
  calls(all, "----", 5_000);
  assert.equal(standing(all, 5_000), "closed", "it begins anew");
});

test("a trial that proves nothing leaves room for another", () => {
  const all = opened();
  calls(all, "??++", 5_000);
  assert.equal(standing(all, 5_000), "on-trial");
  calls(all, "+", 5_000);
  assert.equal(standing(all, 5_000), "closed");
});

test("trials that do not end are not waited for longer than a minute", () => {
  const all = opened();
  const lost = [1, 2, 3].map(() => all.begin(CLUSTER, FUNCTION, 5_000));
  assert.equal(standing(all, 64_999), "open");
  assert.equal(standing(all, 65_000), "on-trial");
  calls(all, "+++", 65_000);
  assert.equal(standing(all, 65_000), "closed");
  for (const begun of lost) all.end(CLUSTER, FUNCTION, begun, "failed", 66_000);
  calls(all, "----", 66_000);
  assert.equal(standing(all, 66_000), "closed", "what they were sent under is over");
});

test("answers to what was sent before it opened neither close it nor open it again", () => {
  const all = circuits();
  const before = Array.from({ length: 20 }, () => all.begin(CLUSTER, FUNCTION, 0));
  calls(all, "-----", 0);
  for (const begun of before.slice(0, 10)) all.end(CLUSTER, FUNCTION, begun, "sound", 6_000);
  assert.equal(standing(all, 6_000), "on-trial");
  for (const begun of before.slice(10)) all.end(CLUSTER, FUNCTION, begun, "failed", 6_000);
  assert.equal(standing(all, 6_000), "on-trial");
});

test("a call that is sent although it is open counts for nothing", () => {
  const all = opened();
  calls(all, "+++++-----", 1_000);
  assert.deepEqual(all.standing(CLUSTER, FUNCTION, 1_000), { kind: "open", forMs: 4_000 });
});

test("what was not heard of for two minutes is forgotten as others end, a few at a time", () => {
  const all = circuits(50);
  for (let index = 0; index < 40; index += 1) call(all, "failed", 0, `demo/f${index}@1`);
  assert.equal(all.count(0).kept, 40);
  call(all, "sound", 120_000, "demo/other@1");
  assert.equal(all.count(0).kept, 40);
  for (let index = 0; index < 40; index += 1) call(all, "sound", 120_001, "demo/other@1");
  assert.deepEqual(all.count(0), { kept: 0, open: 0 });
});

test("what nobody calls any more is not counted for ever", () => {
  const all = opened();
  assert.deepEqual(all.count(120_000), { kept: 1, open: 1 });
  assert.deepEqual(all.count(120_001), { kept: 0, open: 0 });
  assert.equal(standing(all, 120_001), "closed");
});

test("a full table gives up the one that was not heard of for longest", () => {
  const all = circuits(8);
  for (let index = 0; index < 8; index += 1)
    for (let time = 0; time < 5; time += 1) call(all, "failed", index, `demo/f${index}@1`);
  assert.deepEqual(all.count(8), { kept: 8, open: 8 });
  call(all, "failed", 10, "demo/new@1");
  assert.deepEqual(all.count(10), { kept: 8, open: 7 });
  assert.equal(standing(all, 10, "demo/f0@1"), "closed");
  assert.equal(standing(all, 10, "demo/f1@1"), "open");
});

test("whatever happens: bounded, an open one reopens within a minute, and counts hold", () => {
  const step = fc.record({
    name: fc.integer({ min: 0, max: 12 }).map((index) => `demo/f${index}@1`),
    verdict: fc.constantFrom<AttemptVerdict>("sound", "failed", "failed", "no-proof"),
    waitMs: fc.integer({ min: 0, max: 3_000 }),
    isLate: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const all = circuits(8);
      const late: (() => void)[] = [];
      let nowMs = 0;
      for (const { name, verdict, waitMs, isLate } of steps) {
        nowMs += waitMs;
        const begun = all.begin(CLUSTER, name, nowMs);
        const end = () => all.end(CLUSTER, name, begun, verdict, nowMs);
        if (isLate) late.push(end);
        else end();
        if (late.length > 5) late.shift()?.();
        const { kept, open } = all.count(nowMs);
        assert.ok(kept <= 8 && open >= 0 && open <= kept);
        const its = all.standing(CLUSTER, name, nowMs);
        if (its.kind === "open") assert.ok(its.forMs > 0 && its.forMs <= 60_000);
        assert.notEqual(standing(all, nowMs + 60_000, name), "open");
      }
    }),
    { numRuns: 2_000 },
  );
});
