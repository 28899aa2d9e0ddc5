import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ClusterEvent,
  type ClusterSight,
  type ClusterState,
  patienceLeftMs,
  sightOf,
  stepCluster,
  unknownCluster,
  upForMs,
} from "../../../../federator/core/verdicts/judge-cluster.ts";

const limits = {
  refusalsToDown: 3,
  goodsToUp: 2,
  firstSightMs: 10_000,
  expectedIntervalMs: 500,
  deviationMinMs: 50,
  deviationMaxMs: 100,
  acceptablePauseMs: 1_900,
};
const PACE_MS = 250;
const EVENTS: Readonly<Record<string, ClusterEvent>> = {
  "+": "answered",
  x: "refused",
  "-": "silent",
  ".": "looked",
};

/** `+` answered, `x` refused, `-` silent, `.` only looked; a step each 250 ms, and a probe at every other one. */
function play(signs: string, from: ClusterState = unknownCluster(0)): ClusterState {
  return Array.from(signs).reduce(
    (state, sign) =>
      stepCluster(state, EVENTS[sign] ?? "looked", state.steppedAtMs + PACE_MS, limits),
    from,
  );
}

const cases: readonly {
  readonly name: string;
  readonly steps: string;
  readonly sight: ClusterSight;
  readonly sinceMs: number;
}[] = [
  { name: "nothing is known before the first probe", steps: "", sight: "unknown", sinceMs: 0 },
  { name: "the first answer makes it up", steps: ".-.-.+", sight: "up", sinceMs: 1_500 },
  { name: "two refusals are no proof", steps: ".+.x.x", sight: "suspect", sinceMs: 500 },
  { name: "the third refusal in a row is", steps: ".+.x.x.x", sight: "down", sinceMs: 2_000 },
  {
    name: "silence between refusals starts their count anew",
    steps: ".+.x.x.-.x",
    sight: "suspect",
    sinceMs: 500,
  },
  {
    name: "an answer between refusals does too",
    steps: ".+.x.x.+.x.x",
    sight: "up",
    sinceMs: 500,
  },
  { name: "half a second of silence is the rhythm", steps: ".+..", sight: "up", sinceMs: 500 },
  { name: "0.75 s of silence are a suspicion", steps: ".+...", sight: "suspect", sinceMs: 500 },
  {
    name: "2.5 s of silence are no more than that",
    steps: `.+${".".repeat(10)}`,
    sight: "suspect",
    sinceMs: 500,
  },
  {
    name: "2.75 s of silence are a loss",
    steps: `.+${".".repeat(11)}`,
    sight: "down",
    sinceMs: 3_250,
  },
  { name: "one answer does not bring it back", steps: ".+.x.x.x.+", sight: "down", sinceMs: 2_000 },
  { name: "two answers in a row do", steps: ".+.x.x.x.+.+", sight: "up", sinceMs: 3_000 },
  {
    name: "a silence between two answers does not count as two",
    steps: ".+.x.x.x.+.-.+",
    sight: "down",
    sinceMs: 2_000,
  },
  {
    name: "one never seen has time to start",
    steps: ".".repeat(39),
    sight: "unknown",
    sinceMs: 0,
  },
  { name: "even while its port refuses", steps: ".x".repeat(19), sight: "unknown", sinceMs: 0 },
  { name: "but not for ever", steps: ".".repeat(40), sight: "down", sinceMs: 10_000 },
];
for (const { name, steps, sight, sinceMs } of cases) {
  test(name, () => {
    const state = play(steps);
    assert.deepEqual([sightOf(state, limits), state.sinceMs], [sight, sinceMs]);
  });
}

test("how long it was up is remembered while it is down", () => {
  assert.equal(upForMs(play(".+.+.+.x.x.x"), 99_000), 2_500);
  assert.equal(upForMs(play(".+"), 2_500), 2_000);
  assert.equal(upForMs(play(".-"), 2_500), 0);
});

test("an observer that stood still for a minute has not heard a minute of silence", () => {
  const before = play(".+..");
  const woken = stepCluster(before, "looked", before.steppedAtMs + 60_000, limits);
  assert.deepEqual([woken.view, woken.silentMs], ["up", 1_000]);
});

test("when to look again is known to the millisecond", () => {
  const silent = play(".+....");
  const leftMs = Math.ceil(patienceLeftMs(silent, limits));
  const dueAtMs = silent.steppedAtMs + leftMs;
  const stepTo = (atMs: number): ClusterState => {
    let state = silent;
    while (state.steppedAtMs < atMs)
      state = stepCluster(state, "looked", Math.min(atMs, state.steppedAtMs + PACE_MS), limits);
    return state;
  };
  assert.equal(stepTo(dueAtMs - 1).view, "up");
  assert.equal(stepTo(dueAtMs).view, "down");
});
