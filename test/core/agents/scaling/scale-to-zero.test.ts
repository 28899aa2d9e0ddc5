import assert from "node:assert/strict";
import { test } from "node:test";
import { type Activity, decideZero } from "../../../../agents/core/scaling/scale-to-zero.ts";

/*
 * The cases of knative.dev/serving at 98e5ef90, pkg/reconciler/autoscaling/kpa/scaler_test.go, that have an equal here: its probe of the
 * activator always succeeds, and the last pod is not kept beyond the grace period.
 */

const NOW_MS = 10_000_000;
const spec = { stableWindowMs: 60_000, scaleToZeroGraceMs: 30_000 };
const since = (kind: Activity["kind"], agoMs: number): Activity => ({
  kind,
  sinceMs: NOW_MS - agoMs,
});

const cases = [
  {
    name: "active, a second before its window is over: one stays",
    activity: since("active", 59_000),
    instances: 1,
    isActive: true,
  },
  {
    name: "active for its window: inactive, and nothing goes yet",
    activity: since("active", 60_000),
    instances: undefined,
    isActive: false,
  },
  {
    name: "active for long: the same",
    activity: since("active", 120_000),
    instances: undefined,
    isActive: false,
  },
  {
    name: "inactive for the grace period: zero",
    activity: since("inactive", 30_000),
    instances: 0,
    isActive: false,
  },
  {
    name: "a second less: not yet",
    activity: since("inactive", 29_000),
    instances: undefined,
    isActive: false,
  },
  {
    name: "and the queue in the path for less, too",
    activity: since("inactive", 29_000),
    queuedMs: 29_000,
    instances: undefined,
    isActive: false,
  },
  {
    name: "the queue in the path for the grace period: zero at once",
    activity: since("inactive", 29_000),
    queuedMs: 30_000,
    instances: 0,
    isActive: false,
  },
  {
    name: "still starting: nothing is decided",
    activity: since("activating", 315_000),
    instances: undefined,
    isActive: true,
  },
  {
    name: "starting for longer than a start may take: zero",
    activity: since("activating", 631_000),
    instances: 0,
    isActive: false,
  },
  {
    name: "calls: as many as asked for",
    activity: since("active", 1),
    desired: 10,
    instances: 10,
    isActive: true,
  },
  {
    name: "calls while inactive: active again",
    activity: since("inactive", 15_000),
    desired: 10,
    instances: 10,
    isActive: true,
  },
  {
    name: "a floor: never zero",
    activity: since("inactive", 30_000),
    desired: 2,
    instances: 2,
    isActive: true,
  },
] as const;
for (const row of cases)
  test(`to zero: ${row.name}`, () => {
    const { activity, instances, isActive } = row;
    const queuedSinceMs = "queuedMs" in row ? NOW_MS - row.queuedMs : undefined;
    const desired = "desired" in row ? row.desired : 0;
    const decision = decideZero(activity, queuedSinceMs, desired, spec, NOW_MS);
    assert.deepEqual(decision, { instances, isActive });
  });
