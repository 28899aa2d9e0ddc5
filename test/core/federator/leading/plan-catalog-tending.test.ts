import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseDefragmentation,
  fullestShare,
  type MemberStatus,
  planCompaction,
  type RevisionSample,
} from "../../../../federator/core/leading/plan-catalog-tending.ts";

const MINUTE_MS = 60_000;
const limits = { historyMs: 10 * MINUTE_MS, historyMsMax: 60 * MINUTE_MS };

/** A leader that has looked once a minute, while a hundred revisions a minute were written. */
function afterMinutes(
  minutes: number,
  liveCursors: (revision: number) => readonly number[],
): number | null {
  let samples: readonly RevisionSample[] = [];
  let compactTo: number | null = null;
  for (let minute = 0; minute <= minutes; minute += 1) {
    const revision = 1 + minute * 100;
    const newest = { atMs: minute * MINUTE_MS, revision };
    ({ compactTo, samples } = planCompaction(samples, newest, liveCursors(revision), limits));
    assert.ok(samples.length <= 62, "samples are bounded");
  }
  return compactTo;
}

const cases = [
  { name: "a new leader forgets nothing", minutes: 9, cursors: [], to: null },
  { name: "what is ten minutes old goes", minutes: 30, cursors: [], to: 2_001 },
  { name: "but not before a living replica has it", minutes: 30, cursors: [1_500], to: 1_500 },
  { name: "nor before the slowest of them", minutes: 30, cursors: [1_500, 700], to: 700 },
  { name: "who is an hour behind is not waited for", minutes: 100, cursors: [700], to: 4_001 },
] as const;

for (const { name, minutes, cursors, to } of cases)
  test(name, () =>
    assert.equal(
      afterMinutes(minutes, () => cursors),
      to,
    ),
  );

const MEGABYTE = 1024 * 1024;
const member = (endpoint: string, size: number, inUse: number, isLeader = false): MemberStatus => ({
  endpoint,
  isLeader,
  databaseBytes: size * MEGABYTE,
  databaseBytesInUse: inUse * MEGABYTE,
});

test("the follower with most free space is defragmented, and only while all answer", () => {
  const leader = member("a", 500, 10, true);
  const much = member("b", 400, 100);
  const more = member("c", 500, 100);
  assert.equal(chooseDefragmentation([leader, much, more]), "c");
  assert.equal(chooseDefragmentation([leader, undefined, more]), null);
  assert.equal(chooseDefragmentation([leader, member("b", 100, 60), member("c", 60, 1)]), null);
  assert.equal(chooseDefragmentation([member("a", 500, 10)]), null);
});

test("the fullest member tells how full the catalog is", () => {
  assert.equal(
    fullestShare([member("a", 100, 1), member("b", 600, 1), undefined], 1_000 * MEGABYTE),
    0.6,
  );
  assert.equal(fullestShare([], MEGABYTE), 0);
});
