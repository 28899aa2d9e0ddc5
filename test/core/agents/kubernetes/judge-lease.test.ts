import assert from "node:assert/strict";
import { test } from "node:test";
import {
  judgeLease,
  type LeaseStep,
  type SeenLease,
} from "../../../../agents/core/kubernetes/judge-lease.ts";

const OWN = { holder: "a", process: "1" };
const of = (holder: string, process: string, unchangedSinceMs = 0): SeenLease => ({
  holder,
  process,
  durationMs: 10_000,
  resourceVersion: "7",
  unchangedSinceMs,
});

const cases: readonly [
  name: string,
  lease: SeenLease | undefined,
  hadIt: boolean,
  nowMs: number,
  to: LeaseStep,
][] = [
  ["where there is none it is taken", undefined, false, 0, { kind: "take" }],
  ["one that was given back is taken", of("", "1"), false, 0, { kind: "take" }],
  ["the own one is renewed", of("a", "1"), true, 0, { kind: "renew" }],
  ["another's is waited for", of("b", "1"), false, 4_000, { kind: "wait", forMs: 6_000 }],
  ["another's that was not renewed is taken", of("b", "1"), false, 10_000, { kind: "take" }],
  [
    "a renewal begins the wait anew",
    of("b", "1", 8_000),
    false,
    10_000,
    { kind: "wait", forMs: 8_000 },
  ],
  ["the same holder, started again, does not wait", of("a", "0"), false, 0, { kind: "take" }],
  ["one that another took is lost", of("b", "1"), true, 0, { kind: "lost" }],
  ["one that the next process of the holder took is lost", of("a", "2"), true, 0, { kind: "lost" }],
  ["one that was removed is lost", undefined, true, 0, { kind: "lost" }],
];
for (const [name, lease, hadIt, nowMs, to] of cases)
  test(name, () => assert.deepEqual(judgeLease(lease, OWN, hadIt, nowMs), to));
