import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Outcome } from "../../../gateway/ports.ts";
import { type ClusterBreaker, clusterBreaker } from "../../../gateway/io/cluster-breaker.ts";

const answered: Outcome = {
  kind: "answered",
  answer: { status: 429, headers: {}, body: new Uint8Array() },
};
const broken: Outcome = { kind: "failed", failure: "maybe-executed", reason: "reset" };
const refused: Outcome = { kind: "failed", failure: "refused", reason: "overloaded" };
const callerGone: Outcome = { kind: "caller-gone" };

let breaker: ClusterBreaker;
beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  breaker = clusterBreaker("eu-west-1", { next: () => 0 });
});
afterEach(() => {
  breaker.close();
  mock.timers.reset();
});

const run = async (outcome: Outcome, times: number): Promise<void> => {
  for (let call = 0; call < times; call += 1)
    assert.equal(await breaker.run(() => Promise.resolve(outcome)), outcome);
};
const trip = async (): Promise<void> => {
  await run(broken, 20);
  assert.ok(breaker.isTripped(true));
};

test("a few broken calls do not open it, twenty do", async () => {
  await run(broken, 19);
  assert.equal(breaker.isTripped(true), false);
  await run(broken, 1);
  assert.ok(breaker.isTripped(true));
});

test("answers, refusals and callers that go away never open it", async () => {
  await run(answered, 50);
  await run(refused, 50);
  await run(callerGone, 50);
  assert.equal(breaker.isTripped(true), false);
});

test("while it is open no call gets through, and is known not to have been sent", async () => {
  await trip();
  const outcome = await breaker.run(() => assert.fail("it was sent"));
  assert.ok(outcome.kind === "failed" && outcome.failure === "not-sent");
});

test("after its pause one call may try, and only if the pings are good", async () => {
  await trip();
  mock.timers.tick(5_001);
  assert.ok(breaker.isTripped(false));
  assert.equal(breaker.isTripped(true), false);
  const trial = Promise.withResolvers<Outcome>();
  const trying = breaker.run(() => trial.promise);
  assert.ok(breaker.isTripped(true), "one trial at a time");
  const second = await breaker.run(() => assert.fail("it was sent"));
  assert.ok(second.kind === "failed" && second.failure === "not-sent");
  trial.resolve(answered);
  await trying;
  assert.equal(breaker.isTripped(true), false);
});

test("a trial that breaks, or whose caller leaves, does not close it", async () => {
  for (const outcome of [broken, callerGone]) {
    if (!breaker.isTripped(true)) await trip();
    mock.timers.tick(5_001);
    await run(outcome, 1);
    assert.ok(breaker.isTripped(true), outcome.kind);
  }
});

test("a refusal in the trial closes it: the cluster answers", async () => {
  await trip();
  mock.timers.tick(5_001);
  await run(refused, 1);
  assert.equal(breaker.isTripped(true), false);
});
