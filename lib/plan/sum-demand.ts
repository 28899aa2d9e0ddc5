import {
  type ClassDemand,
  DEMAND_CLASSES_MAX,
  type TierDemand,
} from "#lib/contracts/control-records.ts";
import { ANYWHERE, classKey, classOfRule, TIERS } from "./placement-class.ts";

export const NO_DEMAND: TierDemand = { critical: 0, normal: 0, batch: 0 };

const addDemand = (one: TierDemand, other: TierDemand): TierDemand => ({
  critical: one.critical + other.critical,
  normal: one.normal + other.normal,
  batch: one.batch + other.batch,
});

export const callsIn = (demand: TierDemand): number =>
  TIERS.reduce((calls, tier) => calls + demand[tier], 0);

/** By tier, whatever the placement and the origin. */
export const totalDemand = (demands: readonly ClassDemand[]): TierDemand =>
  demands.flatMap(({ origins }) => Object.values(origins)).reduce(addDemand, NO_DEMAND);

/** One entry a class, the largest first; the smallest of too many are counted with the calls that may run anywhere. */
export function sumDemand(demands: readonly ClassDemand[]): readonly ClassDemand[] {
  const sums = new Map<string, ClassDemand>([[classKey(ANYWHERE), anywhere({})]]);
  for (const { origins, ...said } of demands) {
    const rule = classOfRule(said);
    const key = classKey(rule);
    const sum = sums.get(key)?.origins ?? {};
    sums.set(key, { ...rule, regions: [...rule.regions], origins: addOrigins(sum, origins) });
  }
  const [unbound = anywhere({}), ...others] = sums.values();
  const largestFirst = others.toSorted((one, other) => callsOf(other) - callsOf(one));
  const rest = largestFirst.slice(DEMAND_CLASSES_MAX).map(({ origins }) => origins);
  const all = anywhere([unbound.origins, ...rest].reduce(addOrigins));
  return [all, ...largestFirst.slice(0, DEMAND_CLASSES_MAX)];
}

const anywhere = (origins: Origins): ClassDemand => ({ ...ANYWHERE, regions: [], origins });

type Origins = ClassDemand["origins"];

function addOrigins(one: Origins, other: Origins): Origins {
  const sum = { ...one };
  for (const [zone, demand] of Object.entries(other))
    sum[zone] = addDemand(sum[zone] ?? NO_DEMAND, demand);
  return sum;
}

const callsOf = (demand: ClassDemand): number => callsIn(totalDemand([demand]));
