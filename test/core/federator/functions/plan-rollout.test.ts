import assert from "node:assert/strict";
import { test } from "node:test";
import type { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import type { RolloutArm } from "#lib/contracts/zone-report.ts";
import {
  planRollout,
  rolloutTransaction,
} from "../../../../federator/core/functions/plan-rollout.ts";
import { armLedger } from "../../../../federator/core/functions/sum-arms.ts";
import { arm, ROLLOUT } from "../support/simulated-rollout.ts";

interface Case {
  readonly name: string;
  readonly at?: Partial<RolloutRecord>;
  readonly arms: readonly RolloutArm[] | undefined;
  readonly stepForMs: number;
  readonly is: string;
  readonly next?: Partial<RolloutRecord>;
}

const even = (step: string, calls: number, errors = 0): readonly RolloutArm[] => [
  arm(step, "canary", calls, errors),
  arm(step, "control", calls, errors),
];
// One row a line: where it stands, what is seen, what comes of it.
const cases: readonly Case[] = [
  { name: "a step that had neither time nor calls waits", arms: [], stepForMs: 0, is: "wait" },
  { name: "calls alone are not enough", arms: even("0.0", 500), stepForMs: 4_999, is: "wait" },
  {
    name: "time alone is not enough, and the reason is written",
    arms: even("0.0", 19),
    stepForMs: 60_000,
    is: "go-on",
    next: { stepIndex: 0, reason: "waits for 20 calls of each side in eu-west" },
  },
  {
    name: "a reason that stands there is not written again",
    at: { reason: "waits for 20 calls of each side in eu-west" },
    arms: even("0.0", 19),
    stepForMs: 61_000,
    is: "wait",
  },
  {
    name: "both go on, and the reason is gone",
    at: { reason: "waits for 20 calls of each side in eu-west" },
    arms: even("0.0", 20),
    stepForMs: 5_000,
    is: "go-on",
    next: { stepIndex: 1, reason: "" },
  },
  {
    name: "calls of an earlier step do not count for this one",
    at: { stepIndex: 1 },
    arms: even("0.0", 500),
    stepForMs: 5_000,
    is: "go-on",
    next: { stepIndex: 1 },
  },
  {
    name: "calls of another rollout count for nothing",
    arms: even("0.0", 500).map((one) => ({ ...one, rolloutId: "ro-anotherone" })),
    stepForMs: 5_000,
    is: "go-on",
    next: { stepIndex: 0 },
  },
  {
    name: "at 100 % nobody is left to compare with, and the next zone begins",
    at: { stepIndex: 3 },
    arms: [arm("0.3", "canary", 20, 0)],
    stepForMs: 5_000,
    is: "go-on",
    next: { zoneIndex: 1, stepIndex: 0 },
  },
  {
    name: "after the last step of the last zone it has succeeded",
    at: { zoneIndex: 2, stepIndex: 3 },
    arms: [arm("2.3", "canary", 20, 0)],
    stepForMs: 5_000,
    is: "succeed",
    next: { state: "succeeded" },
  },
  {
    name: "errors send it back at once, however short the step",
    arms: [arm("0.0", "canary", 40, 20), arm("0.0", "control", 40, 0)],
    stepForMs: 0,
    is: "roll-back",
    next: { state: "rolled-back" },
  },
  {
    name: "as many errors of the version before are no reason",
    arms: [arm("0.0", "canary", 40, 0), arm("0.0", "control", 40, 20)],
    stepForMs: 0,
    is: "wait",
  },
  {
    name: "evidence of the zone's earlier steps is not forgotten",
    at: { stepIndex: 1 },
    arms: [
      arm("0.0", "canary", 40, 8),
      arm("0.0", "control", 40, 0),
      arm("0.1", "canary", 40, 8),
      arm("0.1", "control", 40, 0),
    ],
    stepForMs: 0,
    is: "roll-back",
  },
  {
    name: "a little less evidence waits",
    arms: [arm("0.0", "canary", 40, 8), arm("0.0", "control", 40, 0)],
    stepForMs: 0,
    is: "wait",
  },
  {
    name: "a slower version goes back",
    arms: [arm("0.0", "canary", 100, 0, 12), arm("0.0", "control", 100, 0, 8)],
    stepForMs: 0,
    is: "roll-back",
  },
  {
    name: "one class more is within 1.2 times",
    arms: [arm("0.0", "canary", 1_000, 0, 9), arm("0.0", "control", 1_000, 0, 8)],
    stepForMs: 0,
    is: "wait",
  },
  {
    name: "a zone that is not heard is neither good news nor bad",
    arms: undefined,
    stepForMs: 60_000,
    is: "go-on",
    next: { stepIndex: 0, state: "running", reason: "nothing is heard of eu-west" },
  },
];
for (const { name, at, arms, stepForMs, is, next = {} } of cases)
  test(name, () => {
    const plan = planRollout({ ...ROLLOUT, ...at }, { arms, stepForMs }, 7);
    assert.equal(plan.kind, is, JSON.stringify(plan));
    if (plan.kind === "wait") return;
    assert.equal(plan.record.changedAtMs, 7);
    for (const [key, value] of Object.entries(next))
      assert.equal(Object.entries(plan.record).find(([name]) => name === key)?.[1], value, key);
  });

const FENCE = { kind: "created-at", key: "leader", revision: 3 } as const;
const held = { value: ROLLOUT, modRevision: 9 };
const alias = {
  value: { tenant: "demo", functionName: "hello", alias: "live", version: 1, updatedAtMs: 1 },
  modRevision: 5,
};

test("every write of a rollout is fenced, and only success moves the alias, in the same transaction", () => {
  for (const kind of ["go-on", "roll-back", "succeed"] as const) {
    const transaction = rolloutTransaction({ kind, record: ROLLOUT }, held, alias, FENCE);
    assert.deepEqual(transaction?.compares[0], FENCE);
    const written = transaction?.operations.map(({ key }) => key);
    assert.equal(written?.includes("aliases/demo/hello/live"), kind === "succeed");
    const moved = transaction?.operations.find(({ key }) => key.startsWith("aliases/"));
    if (moved?.kind === "put") assert.match(moved.value, /"version":2.*"formerVersion":1/);
  }
  const gone = rolloutTransaction({ kind: "succeed", record: ROLLOUT }, held, undefined, FENCE);
  assert.equal(gone, undefined, "the function was deleted meanwhile");
});

test("a gateway that starts again neither loses what it had counted nor counts it twice", () => {
  const ledger = armLedger();
  ledger.receive("eu-west.gateway", "first", [arm("0.0", "canary", 10, 1)]);
  ledger.receive("eu-west.gateway", "first", [arm("0.0", "canary", 30, 2)]);
  ledger.receive("eu-west.other", "only", [arm("0.0", "canary", 5, 0)]);
  assert.deepEqual(counts(ledger.sums()), [[35, 2]]);
  ledger.receive("eu-west.gateway", "second", []);
  assert.deepEqual(counts(ledger.sums()), [[35, 2]]);
  ledger.receive("eu-west.gateway", "second", [arm("0.0", "canary", 4, 4)]);
  assert.deepEqual(counts(ledger.sums()), [[39, 6]]);
});

const counts = (arms: readonly RolloutArm[]) => arms.map(({ calls, errors }) => [calls, errors]);
