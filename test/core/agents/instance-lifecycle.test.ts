import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  callsOf,
  hasSpareSlot,
  type InstanceEvent,
  type InstanceState,
  isSpent,
  stepInstance,
} from "../../../agents/core/instance-lifecycle.ts";

const starting: InstanceState = { kind: "starting" };
const idle: InstanceState = { kind: "idle", sinceMs: 1 };
const busy = (calls: number): InstanceState => ({ kind: "busy", calls });
const draining = (calls: number): InstanceState => ({ kind: "draining", calls });
const gone: InstanceState = { kind: "gone" };
const broken = "a broken assumption";

const cases: readonly [InstanceState, InstanceEvent, InstanceState | typeof broken][] = [
  [starting, "ready", { kind: "idle", sinceMs: 9 }],
  [starting, "call-started", broken],
  [starting, "call-ended", broken],
  [starting, "retired", draining(0)],
  [starting, "exited", gone],
  [idle, "ready", idle],
  [idle, "call-started", busy(1)],
  [idle, "call-ended", broken],
  [idle, "retired", draining(0)],
  [idle, "exited", gone],
  [busy(1), "ready", busy(1)],
  [busy(1), "call-started", busy(2)],
  [busy(2), "call-started", broken],
  [busy(2), "call-ended", busy(1)],
  [busy(1), "call-ended", { kind: "idle", sinceMs: 9 }],
  [busy(2), "retired", draining(2)],
  [busy(2), "exited", gone],
  [draining(1), "ready", draining(1)],
  [draining(1), "call-started", broken],
  [draining(1), "call-ended", draining(0)],
  [draining(0), "call-ended", broken],
  [draining(1), "retired", draining(1)],
  [draining(1), "exited", gone],
  [gone, "ready", gone],
  [gone, "call-started", gone],
  [gone, "call-ended", gone],
  [gone, "retired", gone],
  [gone, "exited", gone],
];

for (const [state, event, next] of cases)
  test(`${JSON.stringify(state)} and ${event} make ${JSON.stringify(next)}`, () => {
    if (next === broken)
      assert.throws(() => stepInstance(state, event, 9, 2), assert.AssertionError);
    else assert.deepEqual(stepInstance(state, event, 9, 2), next);
  });

test("whatever happens, calls never exceed the concurrency and a spent instance stays spent", () => {
  const events = fc.array(
    fc.constantFrom<InstanceEvent>("ready", "call-started", "call-ended", "retired", "exited"),
    { maxLength: 50 },
  );
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 4 }), (events, concurrency) => {
      let state: InstanceState = starting;
      for (const event of events) {
        const isAllowed =
          (event !== "call-started" || hasSpareSlot(state, concurrency)) &&
          (event !== "call-ended" || callsOf(state) > 0);
        if (!isAllowed) continue;
        const before = state;
        state = stepInstance(state, event, 0, concurrency);
        assert.ok(callsOf(state) >= 0 && callsOf(state) <= concurrency);
        if (isSpent(before)) assert.ok(isSpent(state) || state.kind === "gone");
      }
    }),
  );
});
