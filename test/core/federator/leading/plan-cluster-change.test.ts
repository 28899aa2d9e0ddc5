import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterRecord, PlanInputRecord } from "#lib/contracts/control-records.ts";
import {
  type ClusterStanding,
  type ClusterVerb,
  planClusterChange,
} from "../../../../federator/core/leading/plan-cluster-change.ts";
import { planShift } from "../../../../federator/core/leading/plan-shift.ts";

type Mode = ClusterRecord["mode"];
const standing = (clusterId: string, state: "up" | "down", mode?: Mode): ClusterStanding => ({
  clusterId,
  verdict: {
    clusterId,
    state,
    cause: "first-seen",
    evidence: [],
    decidedBy: "eu-west",
    decidedAtMs: 1,
    flaps: 0,
  },
  record:
    mode === undefined
      ? undefined
      : {
          value: { clusterId, mode, reason: "", changedBy: "key x", changedAtMs: 1 },
          modRevision: 7,
        },
});

interface Case {
  readonly name: string;
  readonly verb: ClusterVerb;
  readonly own?: ClusterStanding;
  readonly other?: ClusterStanding;
  readonly force?: boolean;
  readonly planInput?: PlanInputRecord;
  readonly becomes: Mode | "last-cluster" | "quarantined";
  /** What the plan's input says afterwards, where it changes. */
  readonly input?: Partial<PlanInputRecord>;
}
const cases: readonly Case[] = [
  { name: "drain", verb: "drain", becomes: "draining" },
  { name: "drain twice", verb: "drain", own: standing("a", "up", "draining"), becomes: "draining" },
  {
    name: "what returns to service starts its ramp",
    verb: "undrain",
    own: standing("a", "up", "draining"),
    becomes: "in-service",
    input: { rampPercent: { a: 10 } },
  },
  {
    name: "but not while it is down: its return has a ramp of its own",
    verb: "undrain",
    own: standing("a", "down", "draining"),
    becomes: "in-service",
  },
  { name: "undrain what is in service", verb: "undrain", becomes: "in-service" },
  {
    name: "the last cluster in service is not drained",
    verb: "drain",
    other: standing("b", "down"),
    becomes: "last-cluster",
  },
  {
    name: "nor quarantined, when the other is drained",
    verb: "quarantine",
    other: standing("b", "up", "draining"),
    becomes: "last-cluster",
  },
  {
    name: "but by force",
    verb: "drain",
    other: standing("b", "down"),
    force: true,
    becomes: "draining",
  },
  {
    name: "a cluster that is down may be drained: it takes no calls",
    verb: "drain",
    own: standing("a", "down"),
    other: standing("b", "down"),
    becomes: "draining",
  },
  { name: "quarantine", verb: "quarantine", becomes: "quarantined" },
  {
    name: "a quarantine is ended by a release alone",
    verb: "undrain",
    own: standing("a", "up", "quarantined"),
    becomes: "quarantined",
  },
  {
    name: "a release ends the quarantine and the wait for failback, and ramps",
    verb: "release",
    own: standing("a", "up", "quarantined"),
    planInput: { rampPercent: { b: 40 }, awaitsFailback: ["a", "b"] },
    becomes: "in-service",
    input: { rampPercent: { a: 10, b: 40 }, awaitsFailback: ["b"] },
  },
  {
    name: "a release of what is in service keeps its weight",
    verb: "release",
    planInput: { rampPercent: {}, awaitsFailback: ["a"] },
    becomes: "in-service",
    input: { rampPercent: {}, awaitsFailback: [] },
  },
];
for (const { name, verb, becomes, input, force = false, ...given } of cases)
  test(name, () => {
    const clusters = [given.own ?? standing("a", "up"), given.other ?? standing("b", "up")];
    const planInput = given.planInput && { value: given.planInput, modRevision: 3 };
    const wish = { verb, clusterId: "a", reason: "why", actor: "key x", force };
    const plan = planClusterChange(wish, clusters, planInput, 5);
    if (plan.kind !== "change") return assert.equal(plan.kind, becomes);
    assert.equal(plan.record.mode, becomes);
    assert.equal(plan.record.reason, "why");
    const written = plan.transaction.operations.find(({ key }) => key === "plan-input");
    assert.deepEqual(written?.kind === "put" ? JSON.parse(written.value) : undefined, input);
    const compared = plan.transaction.compares.map(({ key }) => key);
    assert.ok(compared.includes("clusters/a") && compared.includes("clusters/b"));
    assert.equal(compared.includes("plan-input"), input !== undefined);
  });

test("a cluster that is not configured is unknown", () => {
  const wish = { verb: "drain", clusterId: "c", reason: "", actor: "key x", force: true } as const;
  assert.equal(planClusterChange(wish, [standing("a", "up")], undefined, 5).kind, "unknown");
});

const wish = {
  id: "sh-00000001",
  fromCluster: "a",
  toCluster: "b",
  percent: 40,
  minutes: 2,
  reason: "",
  actor: "key x",
  leaseId: "lease",
};
const NO_SHIFTS = { guardRevision: undefined, shifts: [] };
const shiftCases = [
  { name: "a shift hangs on its lease", change: {}, kind: "shift" },
  { name: "onto itself", change: { toCluster: "a" }, kind: "onto-itself" },
  { name: "from nowhere", change: { fromCluster: "c" }, kind: "unknown-cluster" },
  { name: "to nowhere", change: { toCluster: "c" }, kind: "unknown-cluster" },
  { name: "of more than is left", change: { percent: 61 }, kind: "more-than-all" },
  { name: "of all that is left", change: { percent: 60 }, kind: "shift" },
];
for (const { name, change, kind } of shiftCases)
  test(`shift: ${name}`, () => {
    const first = planShift(wish, ["a", "b"], NO_SHIFTS, 1_000);
    assert.ok(first.kind === "shift");
    assert.equal(first.record.expiresAtMs, 121_000);
    const plan = planShift(
      { ...wish, id: "sh-00000002", ...change },
      ["a", "b"],
      { guardRevision: 3, shifts: [first.record] },
      1,
    );
    assert.equal(plan.kind, kind);
    if (plan.kind !== "shift") return;
    const [put] = plan.transaction.operations;
    assert.ok(put !== undefined && "leaseId" in put && put.leaseId === "lease");
    const guard = { kind: "modified-at", key: "shift-guard", revision: 3 } as const;
    assert.deepEqual(plan.transaction.compares[1], guard);
  });

test("shift: there is an end to how many there are", () => {
  const first = planShift({ ...wish, percent: 1 }, ["a", "b"], NO_SHIFTS, 1);
  assert.ok(first.kind === "shift");
  const many = Array.from({ length: 16 }, () => first.record);
  assert.equal(planShift(wish, ["a", "b"], { guardRevision: 3, shifts: many }, 1).kind, "too-many");
});
