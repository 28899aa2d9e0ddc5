import assert from "node:assert/strict";
import { test } from "node:test";
import { leaseTimers } from "#lib/io/lease-timers.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { manualClock } from "./support/manual-clock.ts";

test("a lease ends exactly one time to live after its last renewal", async () => {
  const clock = manualClock();
  const ended: string[] = [];
  const timers = leaseTimers(clock, async (leaseId) => void ended.push(leaseId));
  timers.start({ leaseId: "a", ttlMs: 1_000 });
  timers.start({ leaseId: "b", ttlMs: 1_000 });
  await clock.advance(999);
  assert.equal(timers.renew("a"), "renewed");
  await clock.advance(1);
  assert.deepEqual(ended, ["b"]);
  assert.equal(timers.renew("b"), "gone");
  await clock.advance(998);
  assert.deepEqual(ended, ["b"]);
  await clock.advance(1);
  assert.deepEqual(ended, ["b", "a"]);
});

test("an end that cannot be written is tried again, and the lease stays gone meanwhile", async () => {
  const clock = manualClock();
  let attempts = 0;
  const timers = leaseTimers(clock, async () => {
    attempts += 1;
    if (attempts < 3) throw new Error("the disk is full");
  });
  timers.start({ leaseId: "a", ttlMs: 1_000 });
  await clock.advance(1_000);
  assert.equal(timers.renew("a"), "gone");
  await clock.advance(60_000);
  assert.equal(attempts, 3);
});

test("a dropped lease and a closed catalog end nothing", async () => {
  const clock = manualClock();
  const ended: string[] = [];
  const timers = leaseTimers(clock, async (leaseId) => void ended.push(leaseId));
  timers.start({ leaseId: "dropped", ttlMs: 1_000 });
  timers.start({ leaseId: "closed", ttlMs: 1_000 });
  timers.drop("dropped");
  timers.close();
  await clock.advance(10_000);
  assert.deepEqual(ended, []);
});

test("the memory catalog lives by the clock it is given", async () => {
  const clock = manualClock();
  const catalog = createMemoryCatalog({ clock });
  const leaseId = await catalog.grantLease(10_000);
  const operations = [{ kind: "put", key: "k", value: "", leaseId }] as const;
  await catalog.txn({ compares: [], operations });
  await clock.advance(9_999);
  assert.equal(await catalog.renewLease(leaseId), "renewed");
  await clock.advance(9_999);
  const before = await catalog.range({ prefix: "" });
  await clock.advance(1);
  const after = await catalog.range({ prefix: "" });
  await catalog.close();
  assert.ok(before.kind === "page" && before.records.length === 1);
  assert.ok(after.kind === "page" && after.records.length === 0 && after.revision === 2);
});
