import type { ClassDemand, PlanInputRecord, TierDemand } from "#lib/contracts/control-records.ts";
import type { IsolationLevel } from "#lib/contracts/isolation.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { ANYWHERE, classKey, type PlacementClass } from "#lib/plan/placement-class.ts";
import { callsIn, NO_DEMAND, sumDemand } from "#lib/plan/sum-demand.ts";

/** A change smaller than this is not written: capacity against itself, demand against the capacity of the zone it is near to. */
const STEP = 0.05;
/** For demand near a zone whose capacity is not known, in calls in flight. */
const STEP_CALLS = 10;
/** A value rests until what is measured has moved this far from it, in steps, so that it does not flutter between two of them. */
const REST_STEPS = 0.75;

type Heard = Pick<
  Observation,
  "zone" | "capacitySlots" | "isolationLevel" | "inFlight" | "classDemand"
>;

/**
 * The record that follows from what the zones report; undefined when it would say what it says already. A zone that is not heard
 * keeps its capacity, for it may be back at any moment; its callers are counted where they come in now.
 */
export function nextPlanInput(
  before: PlanInputRecord | undefined,
  heard: readonly Heard[],
  zones: readonly Zone[],
): PlanInputRecord | undefined {
  const capacitySlots = settleCapacity(before?.capacitySlots ?? {}, heard, zones);
  const stepOf = (zone: Zone): number => {
    const capacity = capacitySlots[zone.clusterId];
    return Math.max(1, capacity === undefined ? STEP_CALLS : capacity * STEP);
  };
  const last = [{ ...ANYWHERE, origins: before?.demand ?? {} }, ...(before?.classDemand ?? [])];
  const [anywhere, ...classDemand] = settleDemand(last, sumHeard(heard), zones, stepOf);
  const isolationLevels = settleLevels(before?.isolationLevels ?? {}, heard, zones);
  const facts = { capacitySlots, isolationLevels, demand: anywhere?.origins ?? {}, classDemand };
  const isSaid =
    JSON.stringify(facts) ===
    JSON.stringify({
      capacitySlots: before?.capacitySlots ?? {},
      isolationLevels: before?.isolationLevels ?? {},
      demand: before?.demand ?? {},
      classDemand: before?.classDemand ?? [],
    });
  return isSaid ? undefined : { ...before, rampPercent: before?.rampPercent ?? {}, ...facts };
}

/** With no function left whose failback is manual nobody waits for an operator, who would have nothing to release. */
export function endWaits(
  next: PlanInputRecord | undefined,
  before: PlanInputRecord | undefined,
): PlanInputRecord | undefined {
  const input = next ?? before;
  if (input?.awaitsFailback === undefined || input.awaitsFailback.length === 0) return next;
  return { ...input, awaitsFailback: [] };
}

function settleCapacity(
  before: Readonly<Record<string, number>>,
  heard: readonly Heard[],
  zones: readonly Zone[],
): Record<string, number> {
  const settled: Record<string, number> = {};
  for (const { name, clusterId } of byName(zones)) {
    const measured = heard.find(({ zone }) => zone === name)?.capacitySlots;
    const last = before[clusterId];
    const next = measured === undefined ? last : restingCapacity(last, measured);
    if (next !== undefined) settled[clusterId] = next;
  }
  return settled;
}

/** An agent that says no level has proved none: it has just started, or is of a version that would start anything. */
function settleLevels(
  before: Readonly<Record<string, IsolationLevel>>,
  heard: readonly Heard[],
  zones: readonly Zone[],
): Record<string, IsolationLevel> {
  const settled: Record<string, IsolationLevel> = {};
  for (const { name, clusterId } of byName(zones)) {
    const its = heard.find(({ zone }) => zone === name);
    const level = its?.capacitySlots === undefined ? before[clusterId] : its.isolationLevel;
    if (level !== undefined) settled[clusterId] = level;
  }
  return settled;
}

function restingCapacity(before: number | undefined, measured: number): number {
  if (before !== undefined && Math.abs(measured - before) <= before * STEP) return before;
  // Rounded down to a number that people can read: at most a twentieth is given away.
  const digit = Math.max(1, 10 ** Math.floor(Math.log10(Math.max(1, measured))) * STEP);
  return Math.floor(Math.floor(measured / digit) * digit);
}

const sumHeard = (heard: readonly Heard[]): readonly ClassDemand[] =>
  sumDemand(
    heard.flatMap(({ zone, inFlight, classDemand }): readonly ClassDemand[] => {
      if (classDemand !== undefined) return classDemand;
      return inFlight === undefined ? [] : [{ ...ANYWHERE, origins: { [zone]: inFlight } }];
    }),
  );

/** The demand of all classes: first that which may run anywhere, and with it what is too little to be planned for by itself. */
function settleDemand(
  before: readonly ClassDemand[],
  [anywhere, ...others]: readonly ClassDemand[],
  zones: readonly Zone[],
  stepOf: (zone: Zone) => number,
): readonly ClassDemand[] {
  const settleOrigins = (of: PlacementClass, measured: ClassDemand["origins"]) => {
    const last = before.find((one) => classKey(one) === classKey(of));
    const settled: ClassDemand["origins"] = {};
    for (const zone of byName(zones)) {
      const { [zone.name]: its = NO_DEMAND } = measured;
      const resting = restingDemand(last?.origins[zone.name] ?? NO_DEMAND, its, stepOf(zone));
      if (callsIn(resting) > 0) settled[zone.name] = resting;
    }
    return settled;
  };
  const small: ClassDemand[] = [];
  const settled: ClassDemand[] = [];
  for (const one of others) {
    const origins = settleOrigins(one, one.origins);
    if (Object.keys(origins).length > 0) settled.push({ ...one, origins });
    const left = Object.entries(one.origins).filter(([zone]) => origins[zone] === undefined);
    small.push({ ...ANYWHERE, regions: [], origins: Object.fromEntries(left) });
  }
  const [rest] = sumDemand([...(anywhere === undefined ? [] : [anywhere]), ...small]);
  const inOrder = settled.toSorted((one, other) => (classKey(one) < classKey(other) ? -1 : 1));
  const origins = settleOrigins(ANYWHERE, rest?.origins ?? {});
  return [{ ...ANYWHERE, regions: [], origins }, ...inOrder];
}

function restingDemand(before: TierDemand, measured: TierDemand, step: number): TierDemand {
  const rest = (last: number, now: number): number =>
    Math.abs(now - last) < step * REST_STEPS ? last : Math.round(Math.round(now / step) * step);
  return {
    critical: rest(before.critical, measured.critical),
    normal: rest(before.normal, measured.normal),
    batch: rest(before.batch, measured.batch),
  };
}

const byName = (zones: readonly Zone[]): readonly Zone[] =>
  zones.toSorted((one, other) => (one.name < other.name ? -1 : 1));
