import type { RolloutArm } from "#lib/contracts/zone-report.ts";

/** More than a report may carry are not kept; the one that came first goes. */
const ARMS_MAX = 1_000;

/** What the gateways of a zone have counted together, restarts included. */
export interface ArmLedger {
  readonly receive: (receiver: string, bootId: string, arms: readonly RolloutArm[]) => void;
  readonly sums: () => readonly RolloutArm[];
}

interface Counted {
  readonly bootId: string;
  readonly arms: readonly RolloutArm[];
}

/**
 * A gateway's counters begin at 0 with each start of it. What it had counted before stays in the sum, so that a restart neither takes
 * calls away from one arm alone nor counts them twice.
 */
export function armLedger(): ArmLedger {
  const current = new Map<string, Counted>();
  /** Of starts that are over. */
  const past = new Map<string, RolloutArm>();
  return {
    receive: (receiver, bootId, arms) => {
      const before = current.get(receiver);
      if (before !== undefined && before.bootId !== bootId)
        for (const arm of before.arms) addTo(past, arm);
      current.set(receiver, { bootId, arms });
    },
    sums: () => {
      const sums = new Map(past);
      for (const { arms } of current.values()) for (const arm of arms) addTo(sums, arm);
      return [...sums.values()].slice(-ARMS_MAX);
    },
  };
}

function addTo(sums: Map<string, RolloutArm>, arm: RolloutArm): void {
  const key = `${arm.rolloutId} ${arm.step} ${arm.arm}`;
  const before = sums.get(key);
  const oldest = sums.keys().next().value;
  if (before === undefined && sums.size >= ARMS_MAX && oldest !== undefined) sums.delete(oldest);
  sums.set(key, before === undefined ? arm : added(before, arm));
}

const added = (one: RolloutArm, other: RolloutArm): RolloutArm => ({
  ...one,
  calls: one.calls + other.calls,
  errors: one.errors + other.errors,
  latencyCounts: one.latencyCounts.map((count, index) => count + (other.latencyCounts[index] ?? 0)),
});
