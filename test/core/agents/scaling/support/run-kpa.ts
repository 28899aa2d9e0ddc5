import assert from "node:assert/strict";
import {
  decideKpa,
  initialKpaState,
  type KpaSpec,
  type KpaState,
} from "../../../../../agents/core/scaling/decide-kpa.ts";

export const WINDOW_MS = 60_000;
export const NOW_MS = 1_000_000_000;

export function spec(
  target: number,
  targetBurstCapacity: number,
  changes: Partial<KpaSpec> = {},
): KpaSpec {
  return {
    target,
    total: target / 0.75,
    targetBurstCapacity,
    stableWindowMs: WINDOW_MS,
    panicWindowMs: 6_000,
    panicThreshold: 2,
    maxScaleUpRate: 10,
    maxScaleDownRate: 10,
    scaleDownDelayMs: 0,
    activationScale: 1,
    scaleToZeroGraceMs: 30_000,
    ...changes,
  };
}

export interface Step {
  readonly ready: number;
  readonly stable: number;
  readonly panic: number;
  readonly atMs?: number;
  readonly desired: number;
  readonly excess?: number;
  /** Since when it panics; null: it does not. */
  readonly panicAtMs?: number | null;
  readonly isReachable?: boolean;
}

export function run(
  of: KpaSpec,
  steps: readonly Step[],
  from: KpaState = initialKpaState(1, NOW_MS),
) {
  let state = from;
  for (const [index, step] of steps.entries()) {
    const { ready, stable, panic, atMs = 0, desired, excess, panicAtMs, isReachable } = step;
    const seen = {
      readyInstances: ready,
      stableCalls: stable,
      panicCalls: panic,
      isReachable: isReachable ?? true,
    };
    const decision = decideKpa(state, seen, of, NOW_MS + atMs);
    assert.equal(decision.desired, desired, `desired in step ${index + 1}`);
    // A third of a capacity is not exact in binary: one up or down is the same.
    if (excess !== undefined) assert.ok(Math.abs(decision.excessBurstCapacity - excess) <= 1);
    const since = decision.state.panicSinceMs;
    if (panicAtMs !== undefined)
      assert.equal(since, panicAtMs === null ? undefined : NOW_MS + panicAtMs);
    state = decision.state;
  }
  return state;
}
