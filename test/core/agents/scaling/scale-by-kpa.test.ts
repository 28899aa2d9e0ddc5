import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scaling } from "#lib/contracts/scaling.ts";
import type { InstanceCensus } from "../../../../agents/core/scaling/instance-census.ts";
import {
  initialKpaScaleState,
  type KpaScaleState,
  scaleByKpa,
} from "../../../../agents/core/scaling/scale-by-kpa.ts";
import { scalingSpec } from "../../../../agents/core/scaling/scaling-spec.ts";

const START_MS = 1_000_000;

/** One version whose instances are there as soon as they are wanted; `calls` are changed by the test. */
function version(scaling: Scaling = {}) {
  const spec = scalingSpec(1, { mode: "kpa", ...scaling }, { extraIdleMs: 1, lastIdleMs: 1 });
  assert.ok(spec.kind === "kpa");
  let state: KpaScaleState = initialKpaScaleState(spec, START_MS);
  let nowMs = START_MS;
  let [calls, live] = [0, 0];
  let checkAtMs: number | undefined;
  const review = (): void => {
    const busy = Math.min(calls, live);
    const census: InstanceCensus = {
      waiting: calls - busy,
      calls,
      starting: 0,
      idle: live - busy,
      busy,
      live,
    };
    const plan = scaleByKpa(state, census, spec, true, nowMs);
    assert.ok(plan.state.kind === "kpa");
    state = plan.state;
    live = Math.max(plan.hold, busy);
    checkAtMs = plan.checkAtMs;
  };
  return {
    set: (count: number) => {
      calls = count;
      review();
    },
    /** Instances after each second. */
    run: (seconds: number): number[] => {
      const seen: number[] = [];
      for (const endMs = nowMs + seconds * 1_000; nowMs < endMs;) {
        nowMs += 1_000;
        if (checkAtMs !== undefined && checkAtMs <= nowMs) review();
        seen.push(live);
      }
      return seen;
    },
    live: () => live,
    isAsleep: () => checkAtMs === undefined,
  };
}

test("kpa over time: nothing happens at zero until the first call, which is answered at once", () => {
  const its = version();
  its.set(0);
  assert.ok(its.isAsleep());
  its.set(1);
  assert.equal(its.live(), 2, "one call at 70 % of one");
});

test("kpa over time: a steady load has its instances, ten calls at 70 % fifteen", () => {
  const its = version();
  its.set(10);
  assert.equal(its.run(90).at(-1), 15);
});

test("kpa over time: after the last call the stable window and then the way to zero", () => {
  const its = version();
  its.set(1);
  its.run(120);
  its.set(0);
  const seen = its.run(90);
  assert.ok((seen[57] ?? 0) >= 1, "the window still remembers");
  assert.equal(seen.at(-1), 0);
  assert.ok(its.isAsleep());
});

test("kpa over time: a surge panics, and nothing goes for a stable window", () => {
  const its = version();
  its.set(1);
  its.run(60);
  its.set(20);
  const surge = its.run(8);
  assert.ok((surge.at(-1) ?? 0) >= 20, "within the panic window");
  its.set(1);
  const held = its.run(55);
  assert.equal(Math.min(...held), held[0], "nothing is taken away");
  assert.ok((its.run(70).at(-1) ?? 99) <= 2);
});

test("kpa over time: limits of the version bound it on either side", () => {
  const its = version({ minInstances: 2, maxInstances: 4 });
  its.set(10);
  assert.equal(its.run(90).at(-1), 4);
  its.set(0);
  assert.equal(its.run(300).at(-1), 2);
});

test("kpa over time: the first call starts as many as the activation scale", () => {
  const its = version({ activationScale: 5 });
  its.set(1);
  assert.equal(its.live(), 5);
});
