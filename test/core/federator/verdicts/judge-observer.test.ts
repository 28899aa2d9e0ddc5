import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterSight } from "../../../../federator/core/verdicts/judge-cluster.ts";
import { isQualifiedObserver } from "../../../../federator/core/verdicts/judge-observer.ts";

const limits = { lagMaxMs: 250, settleMs: 1_500 };

const cases: readonly {
  readonly name: string;
  readonly sights: readonly ClusterSight[];
  readonly lagMs?: number;
  readonly awakeForMs?: number;
  readonly isQualified: boolean;
}[] = [
  {
    name: "one of three targets down is their problem",
    sights: ["up", "down", "up"],
    isQualified: true,
  },
  { name: "two of three down are my problem", sights: ["up", "down", "down"], isQualified: false },
  {
    name: "one down and another late are my problem: I am going blind",
    sights: ["up", "down", "suspect"],
    isQualified: false,
  },
  { name: "half of the targets down is still theirs", sights: ["up", "down"], isQualified: true },
  { name: "both of two down are mine", sights: ["down", "down"], isQualified: false },
  { name: "a single target says nothing about me", sights: ["down"], isQualified: true },
  { name: "no target at all neither", sights: [], isQualified: true },
  {
    name: "a lagging event loop misses answers that came",
    sights: ["up", "up", "up"],
    lagMs: 251,
    isQualified: false,
  },
  { name: "a lag at the limit is none", sights: ["up", "up", "up"], lagMs: 250, isQualified: true },
  {
    name: "who has just woken up still believes what it saw before it slept",
    sights: ["up", "down", "up"],
    awakeForMs: 1_499,
    isQualified: false,
  },
  {
    name: "and counts again once it has asked everybody anew",
    sights: ["up", "down", "up"],
    awakeForMs: 1_500,
    isQualified: true,
  },
];
for (const { name, sights, lagMs = 20, awakeForMs = Infinity, isQualified } of cases) {
  test(name, () =>
    assert.equal(isQualifiedObserver(sights, { lagMs, awakeForMs }, limits), isQualified),
  );
}
