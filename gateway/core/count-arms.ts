import { LATENCY_CLASSES_MS, type RolloutArm } from "#lib/contracts/zone-report.ts";
import type { RolloutMark } from "./choose-version.ts";

/** How a call ended that a rollout counts. */
export interface ArmOutcome {
  readonly isError: boolean;
  /** Undefined where it says nothing of the version: the call waited for an instance to start, or failed. */
  readonly latencyMs: number | undefined;
}

export interface ArmCounters {
  readonly count: (mark: RolloutMark, outcome: ArmOutcome, nowMs: number) => void;
  /** All that was counted since this gateway started; an arm without calls for ten minutes is forgotten. */
  readonly arms: (nowMs: number) => readonly RolloutArm[];
}

/** What a report can carry; the arm that was begun first is forgotten for one more. */
const ARMS_MAX = 1_000;
const KEPT_MS = 600_000;

export function createArmCounters(): ArmCounters {
  const arms = new Map<string, { readonly arm: RolloutArm; countedAtMs: number }>();
  const find = (mark: RolloutMark, nowMs: number): RolloutArm => {
    const key = `${mark.rolloutId} ${mark.step} ${mark.arm}`;
    const known = arms.get(key);
    if (known !== undefined) {
      known.countedAtMs = nowMs;
      return known.arm;
    }
    const latencyCounts = Array.from({ length: LATENCY_CLASSES_MS.length + 1 }, () => 0);
    const arm: RolloutArm = { ...mark, calls: 0, errors: 0, latencyCounts };
    const oldest = arms.keys().next().value;
    if (arms.size >= ARMS_MAX && oldest !== undefined) arms.delete(oldest);
    arms.set(key, { arm, countedAtMs: nowMs });
    return arm;
  };
  return {
    count: (mark, { isError, latencyMs }, nowMs) => {
      const arm = find(mark, nowMs);
      arm.calls += 1;
      if (isError) arm.errors += 1;
      if (latencyMs === undefined) return;
      const index = latencyClass(latencyMs);
      arm.latencyCounts[index] = (arm.latencyCounts[index] ?? 0) + 1;
    },
    arms: (nowMs) => {
      for (const [key, { countedAtMs }] of arms)
        if (nowMs - countedAtMs > KEPT_MS) arms.delete(key);
      return [...arms.values()].map(({ arm }) => arm);
    },
  };
}

/** The class it belongs to: the first whose end it does not exceed, or the open one behind them all. */
function latencyClass(latencyMs: number): number {
  const index = LATENCY_CLASSES_MS.findIndex((endMs) => latencyMs <= endMs);
  return index === -1 ? LATENCY_CLASSES_MS.length : index;
}
