import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import {
  ANYWHERE,
  classKey,
  classOf,
  type Placed,
  type PlacementClass,
} from "#lib/plan/placement-class.ts";
import { type PlanInputs, planInputs } from "#lib/plan/plan-inputs.ts";
import { planShares } from "#lib/plan/plan-shares.ts";
import { type PlannedCrowd, roomOf } from "./keep-within-plan.ts";

/** A gateway's view of the plan, worked out when it is first asked for and kept as long as its inputs stay the same. */
export interface SharePlanner {
  readonly inputs: (find: FindEntry) => PlanInputs;
  /** Of the callers near a zone; undefined where the plan has no such zone. */
  readonly crowd: (
    find: FindEntry,
    placed: Placed,
    without: ReadonlySet<string>,
    originZone: string,
  ) => PlannedCrowd | undefined;
  readonly classOf: (placed: Placed) => KeyedClass;
}

export interface KeyedClass {
  readonly key: string;
  readonly rule: PlacementClass;
}

type FindEntry = (entryKey: string) => RouteEntry | undefined;

/** Of one class, without some clusters: by the name of the zone that the callers are near. */
type ClassPlan = ReadonlyMap<string, PlannedCrowd>;

/** More classes and losses than a gateway meets between two plans. */
const PLANS_MAX = 1_000;

/** `gateways` share the callers near their zone evenly: the workers of one. */
export function createSharePlanner(zones: readonly Zone[], gateways = 1): SharePlanner {
  const entryKeys = ["plan", ...zones.map(({ clusterId }) => `cluster/${clusterId}`)];
  const classes = new WeakMap<Placed, KeyedClass>();
  const plans = new Map<string, ClassPlan>();
  let entries: readonly (RouteEntry | undefined)[] = [];
  let inputs: PlanInputs | undefined;

  const inputsNow = (find: FindEntry): PlanInputs => {
    const isSame = entryKeys.every((key, index) => find(key) === entries[index]);
    if (inputs !== undefined && isSame) return inputs;
    entries = entryKeys.map(find);
    inputs = planInputs(find, zones);
    plans.clear();
    return inputs;
  };
  const keyedClassOf = (placed: Placed): KeyedClass => {
    const known = classes.get(placed);
    if (known !== undefined) return known;
    const rule = classOf(placed);
    const keyed = { key: classKey(rule), rule };
    classes.set(placed, keyed);
    return keyed;
  };
  const planOf = (find: FindEntry, placed: Placed, without: ReadonlySet<string>): ClassPlan => {
    const current = inputsNow(find);
    const { key, rule } = keyedClassOf(placed);
    const name = without.size === 0 ? key : `${[...without].toSorted().join()} ${key}`;
    const known = plans.get(name);
    if (known !== undefined) return known;
    if (plans.size >= PLANS_MAX) plans.clear();
    const plan = new Map(
      Array.from(planShares(current, rule, without), ([origin, shares]) => {
        const roomCalls = roomOf(current.demand, key, origin, shares, gateways);
        return [origin, { shares, roomCalls }];
      }),
    );
    plans.set(name, plan);
    return plan;
  };
  return {
    inputs: inputsNow,
    classOf: keyedClassOf,
    crowd: (find, placed, without, originZone) => planOf(find, placed, without).get(originZone),
  };
}

/** Where the class is counted that has no count of its own. */
export const UNCLASSED: KeyedClass = { key: classKey(ANYWHERE), rule: ANYWHERE };
