import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ClusterState,
  isQualifiedObserver,
  type ProbeOutcome,
  stepCluster,
  unknownCluster,
  upForMs,
} from "../../../federator/core/judge-cluster.ts";

const limits = { missesToDown: 3, goodsToUp: 2, firstSightMs: 10_000 };
const PACE_MS = 500;

/** `+` answered, `-` missed, one probe each 500 ms. */
function play(outcomes: string): ClusterState {
  return Array.from(outcomes).reduce(
    (state, sign, index) =>
      stepCluster(
        state,
        (sign === "+" ? "answered" : "missed") satisfies ProbeOutcome,
        (index + 1) * PACE_MS,
        limits,
      ),
    unknownCluster(0),
  );
}

const cases: readonly {
  readonly name: string;
  readonly probes: string;
  readonly view: ClusterState["view"];
  readonly sinceMs: number;
}[] = [
  { name: "nothing is known before the first probe", probes: "", view: "unknown", sinceMs: 0 },
  { name: "the first answer makes it up", probes: "--+", view: "up", sinceMs: 1_500 },
  { name: "two misses are no proof", probes: "+--", view: "up", sinceMs: 500 },
  { name: "the third miss in a row takes it down", probes: "+---", view: "down", sinceMs: 2_000 },
  {
    name: "an answer in between starts the count anew",
    probes: "+--+--",
    view: "up",
    sinceMs: 500,
  },
  { name: "one answer does not bring it back", probes: "+---+", view: "down", sinceMs: 2_000 },
  { name: "two answers in a row do", probes: "+---++", view: "up", sinceMs: 3_000 },
  {
    name: "a miss between two answers does not count as two",
    probes: "+---+-+",
    view: "down",
    sinceMs: 2_000,
  },
  { name: "one never seen has time to start", probes: "-".repeat(19), view: "unknown", sinceMs: 0 },
  { name: "but not for ever", probes: "-".repeat(20), view: "down", sinceMs: 10_000 },
];
for (const { name, probes, view, sinceMs } of cases) {
  test(name, () => {
    const state = play(probes);
    assert.deepEqual({ view: state.view, sinceMs: state.sinceMs }, { view, sinceMs });
  });
}

test("how long it was up is remembered while it is down", () => {
  assert.equal(upForMs(play("+++++---"), 99_000), 3_500);
  assert.equal(upForMs(play("+"), 2_500), 2_000);
  assert.equal(upForMs(play("-"), 2_500), 0);
});

const observers: readonly {
  readonly name: string;
  readonly views: readonly ClusterState["view"][];
  readonly lagMs: number;
  readonly isQualified: boolean;
}[] = [
  {
    name: "one of three targets down is their problem",
    views: ["up", "down", "up"],
    lagMs: 20,
    isQualified: true,
  },
  {
    name: "two of three down are my problem",
    views: ["up", "down", "down"],
    lagMs: 20,
    isQualified: false,
  },
  {
    name: "half of the targets down is still theirs",
    views: ["up", "down"],
    lagMs: 20,
    isQualified: true,
  },
  { name: "a single target says nothing about me", views: ["down"], lagMs: 20, isQualified: true },
  {
    name: "a lagging event loop misses answers that came",
    views: ["up", "up", "up"],
    lagMs: 251,
    isQualified: false,
  },
  { name: "a lag at the limit is none", views: ["up", "up", "up"], lagMs: 250, isQualified: true },
];
for (const { name, views, lagMs, isQualified } of observers) {
  test(name, () => assert.equal(isQualifiedObserver(views, lagMs, 250), isQualified));
}
