import type { PlanInputRecord } from "#lib/contracts/control-records.ts";

/** The share a cluster returns with, and by how much it grows a step, in percent. */
export const RAMP_START_PERCENT = 10;
const RAMP_STEP_PERCENT = 15;
const STEPS = (100 - RAMP_START_PERCENT) / RAMP_STEP_PERCENT;

type Ramps = PlanInputRecord["rampPercent"];

/**
 * The ramps after the steps that are due; undefined when none is. `shownSinceMs` tells since when the present share of each
 * cluster has been seen: a new leader goes on from there. A ramp that is done, or whose cluster is not in service, is dropped.
 */
export function planRamps(
  ramps: Ramps,
  inService: ReadonlySet<string>,
  shownSinceMs: ReadonlyMap<string, number>,
  nowMs: number,
  rampMs: number,
): Ramps | undefined {
  const next: Record<string, number> = {};
  let isChanged = false;
  for (const [clusterId, percent] of Object.entries(ramps)) {
    const isDue = nowMs - (shownSinceMs.get(clusterId) ?? nowMs) >= rampMs / STEPS;
    const nextPercent = isDue ? Math.min(100, percent + RAMP_STEP_PERCENT) : percent;
    if (nextPercent !== percent || !inService.has(clusterId)) isChanged = true;
    if (nextPercent < 100 && inService.has(clusterId)) next[clusterId] = nextPercent;
  }
  return isChanged ? next : undefined;
}
