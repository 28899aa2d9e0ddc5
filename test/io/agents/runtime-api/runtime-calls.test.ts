import assert from "node:assert/strict";
import { test } from "node:test";
import {
  runtimeCalls,
  type RuntimeCall,
} from "../../../../agents/drivers/runtime-api/runtime-calls.ts";
import { headerOf } from "./open-door.ts";

const header = headerOf("r-1");

function pollTaking() {
  const taken: RuntimeCall[] = [];
  return { taken, deliver: (call: RuntimeCall) => taken.push(call) };
}

test("a poll that was given up takes no call along", () => {
  const calls = runtimeCalls(1, () => 0);
  const [given, next] = [pollTaking(), pollTaking()];
  assert.ok(calls.poll(given));
  assert.ok(!calls.poll(next), "one call at a time, so one poll");
  calls.endPoll(given);
  void calls.begin(header, Buffer.alloc(0));
  assert.ok(calls.poll(next));
  assert.deepEqual([given.taken.length, next.taken.length], [0, 1]);
});

test("a call that did not reach the runtime goes to who asks next, before later calls", async () => {
  const calls = runtimeCalls(2, () => 0);
  const [lost, next] = [pollTaking(), pollTaking()];
  const outcome = calls.begin(header, Buffer.from("1"));
  calls.poll(lost);
  void calls.begin({ ...header, requestId: "r-2" }, Buffer.from("2"));
  for (const call of lost.taken) calls.giveBack(call);
  calls.poll(next);
  assert.deepEqual(
    next.taken.map(({ name }) => name),
    ["r-1"],
  );
  calls.answer("r-1")?.end({ kind: "result", json: Buffer.from("3") });
  assert.deepEqual(await outcome, { kind: "result", json: Buffer.from("3") });
});

test("a call that is being answered is not given to another", () => {
  const calls = runtimeCalls(2, () => 0);
  const [first, next] = [pollTaking(), pollTaking()];
  void calls.begin(header, Buffer.alloc(0));
  calls.poll(first);
  assert.ok(calls.answer("r-1") !== undefined);
  for (const call of first.taken) calls.giveBack(call);
  calls.poll(next);
  assert.deepEqual(next.taken, []);
});
