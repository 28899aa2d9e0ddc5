import assert from "node:assert/strict";
import { test } from "node:test";
import { deltaLog } from "../../../../federator/core/feed/delta-log.ts";

const at = (revision: number, incarnation = "one") => ({ incarnation, revision });

test("a receiver hears of what was touched after its position, each entry once", () => {
  const log = deltaLog();
  log.restart(at(10));
  log.append(at(11), ["a", "b"]);
  log.append(at(12), []);
  log.append(at(13), ["b", "c"]);
  assert.deepEqual([...(log.touchedSince(at(10)) ?? [])], ["a", "b", "c"]);
  assert.deepEqual([...(log.touchedSince(at(12)) ?? [])], ["b", "c"]);
  assert.deepEqual([...(log.touchedSince(at(13)) ?? [])], []);
});

test("positions that are older, newer or of another incarnation are not on the way", () => {
  const log = deltaLog();
  assert.equal(log.touchedSince(at(0)), undefined);
  log.restart(at(10));
  log.append(at(11), ["a"]);
  assert.equal(log.touchedSince(at(9)), undefined);
  assert.equal(log.touchedSince(at(12)), undefined);
  assert.equal(log.touchedSince(at(11, "two")), undefined);
  log.restart(at(20));
  assert.equal(log.touchedSince(at(11)), undefined);
});

test("what it remembers is bounded, and what it forgot is not guessed", () => {
  const log = deltaLog();
  log.restart(at(0));
  const many = (count: number) => Array.from({ length: count }, (_, index) => `entry-${index}`);
  log.append(at(1), many(15_000));
  log.append(at(2), many(10_000));
  assert.equal(log.touchedSince(at(0)), undefined);
  assert.equal(log.touchedSince(at(1))?.size, 10_000);
  log.append(at(3), many(20_001));
  assert.equal(log.touchedSince(at(2)), undefined);
  assert.deepEqual([...(log.touchedSince(at(3)) ?? [])], []);
});

test("revisions that touch nothing cost nothing and push nothing out", () => {
  const log = deltaLog();
  log.restart(at(0));
  log.append(at(1), ["a"]);
  for (let revision = 2; revision <= 50_000; revision += 1) log.append(at(revision), []);
  assert.deepEqual([...(log.touchedSince(at(0)) ?? [])], ["a"]);
  assert.deepEqual([...(log.touchedSince(at(40_000)) ?? [])], []);
});
