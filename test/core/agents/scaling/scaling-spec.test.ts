import assert from "node:assert/strict";
import { test } from "node:test";
import { Value } from "typebox/value";
import { Scaling } from "#lib/contracts/scaling.ts";
import { scalingSpec } from "../../../../agents/core/scaling/scaling-spec.ts";

const idle = { extraIdleMs: 10_000, lastIdleMs: 60_000 };

/* Knative's defaults are those of knative.dev/serving at 98e5ef90, config/core/configmaps/autoscaler.yaml. */
test("what a manifest leaves out is what Knative has", () => {
  assert.deepEqual(scalingSpec(1, { mode: "kpa" }, idle), {
    kind: "kpa",
    concurrency: 1,
    minInstances: 0,
    maxInstances: Number.POSITIVE_INFINITY,
    provisioned: 0,
    total: 1,
    target: 0.7,
    stableWindowMs: 60_000,
    panicWindowMs: 6_000,
    panicThreshold: 2,
    maxScaleUpRate: 1_000,
    maxScaleDownRate: 2,
    scaleDownDelayMs: 0,
    activationScale: 1,
    targetBurstCapacity: 211,
    scaleToZeroGraceMs: 30_000,
  });
});

test("without a word an instance stays as long as the agent's limits say, an extra one never longer than the last", () => {
  const spec = scalingSpec(5, undefined, idle);
  assert.deepEqual(spec, {
    kind: "request",
    concurrency: 5,
    minInstances: 0,
    provisioned: 0,
    maxInstances: Infinity,
    ...idle,
  });
  const short = scalingSpec(1, {}, { extraIdleMs: 10_000, lastIdleMs: 3_000 });
  assert.ok(short.kind === "request" && short.extraIdleMs === 3_000);
});

/** Concurrency, target, utilization → target and total: cases of pkg/reconciler/autoscaling/resources/target_test.go. */
const targets = [
  { concurrency: 12, utilization: 75, target: 9, total: 12 },
  { concurrency: 10, utilization: 80, target: 8, total: 10 },
  { concurrency: 1, utilization: 80, target: 0.8, total: 1 },
  { concurrency: 1, utilization: 100, target: 1, total: 1 },
  { concurrency: 100, asked: 1, utilization: 75, target: 0.75, total: 1 },
  { concurrency: 100, asked: 10, utilization: 75, target: 7.5, total: 10 },
  { concurrency: 10, asked: 1, utilization: 100, target: 1, total: 1 },
  { concurrency: 1, asked: 10, utilization: 100, target: 1, total: 1 },
  { concurrency: 500, asked: 0.01, utilization: 10, target: 0.01, total: 0.01 },
] as const;
for (const row of targets)
  test(`the target: ${JSON.stringify(row)}`, () => {
    const asked = "asked" in row ? { target: row.asked } : {};
    const scaling = { mode: "kpa", targetUtilization: row.utilization, ...asked } as const;
    const spec = scalingSpec(row.concurrency, scaling, idle);
    assert.ok(spec.kind === "kpa");
    assert.deepEqual([spec.target, spec.total], [row.target, row.total]);
  });

/** Window, percentage → panic window: cases of pkg/reconciler/autoscaling/resources/metric_test.go. */
const windows = [
  ["10s", 10, 1_000],
  ["600s", 10, 60_000],
  ["60s", 50, 30_000],
  ["6s", 1, 1_000],
] as const;
for (const [stableWindow, panicWindowPercentage, panicWindowMs] of windows)
  test(`${panicWindowPercentage} % of ${stableWindow} is a panic window of ${panicWindowMs} ms`, () => {
    const spec = scalingSpec(1, { mode: "kpa", stableWindow, panicWindowPercentage }, idle);
    assert.ok(spec.kind === "kpa");
    assert.equal(spec.panicWindowMs, panicWindowMs);
  });

const texts = [
  ["6s", true],
  ["60s", true],
  ["3600s", true],
  ["5s", false],
  ["3601s", false],
  ["060s", false],
  ["1m", false],
  ["60", false],
  ["", false],
] as const;
for (const [stableWindow, isValid] of texts)
  test(`a stable window of "${stableWindow}" is ${isValid ? "taken" : "refused"}`, () => {
    assert.equal(Value.Check(Scaling, { stableWindow }), isValid);
  });

test("a scale-down delay may be none, and unknown fields are refused", () => {
  assert.ok(Value.Check(Scaling, { scaleDownDelay: "0s" }));
  assert.ok(!Value.Check(Scaling, { scaleDownDelay: "3601s" }));
  assert.ok(!Value.Check(Scaling, { minScale: 1 }));
  assert.ok(!Value.Check(Scaling, { minInstances: -1 }));
  assert.ok(!Value.Check(Scaling, { maxInstances: 0 }));
});
