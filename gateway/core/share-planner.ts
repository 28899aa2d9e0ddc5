import type { Placement } from "#lib/contracts/placement.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import {
  ANYWHERE,
  classKey,
  classOfPlacement,
  type PlacementClass,
} from "#lib/plan/placement-class.ts";
import { type PlanInputs, planInputs } from "#lib/plan/plan-inputs.ts";
import { type PlannedShares, planShares } from "#lib/plan/plan-shares.ts";

/** A gateway's view of the plan, worked out when it is first asked for and kept as long as its inputs stay the same. */
export interface SharePlanner {
  readonly inputs: (find: FindEntry) => PlanInputs;
  readonly shares: (
    find: FindEntry,
    placement: Placement,
    without: ReadonlySet<string>,
  ) => PlannedShares;
  readonly classOf: (placement: Placement) => KeyedClass;
}

export interface KeyedClass {
  readonly key: string;
  readonly rule: PlacementClass;
}

type FindEntry = (entryKey: string) => RouteEntry | undefined;

/** More classes and losses than a gateway meets between two plans. */
const SHARES_MAX = 1_000;

export function createSharePlanner(zones: readonly Zone[]): SharePlanner {
  const entryKeys = ["plan", ...zones.map(({ clusterId }) => `cluster/${clusterId}`)];
  const classes = new WeakMap<Placement, KeyedClass>();
  const shares = new Map<string, PlannedShares>();
  let entries: readonly (RouteEntry | undefined)[] = [];
  let inputs: PlanInputs | undefined;

  const inputsNow = (find: FindEntry): PlanInputs => {
    const isSame = entryKeys.every((key, index) => find(key) === entries[index]);
    if (inputs !== undefined && isSame) return inputs;
    entries = entryKeys.map(find);
    inputs = planInputs(find, zones);
    shares.clear();
    return inputs;
  };
  const classOf = (placement: Placement): KeyedClass => {
    const known = classes.get(placement);
    if (known !== undefined) return known;
    const rule = classOfPlacement(placement);
    const keyed = { key: classKey(rule), rule };
    classes.set(placement, keyed);
    return keyed;
  };
  return {
    inputs: inputsNow,
    classOf,
    shares: (find, placement, without) => {
      const current = inputsNow(find);
      const { key, rule } = classOf(placement);
      const name = `${[...without].toSorted().join()} ${key}`;
      const known = shares.get(name);
      if (known !== undefined) return known;
      if (shares.size >= SHARES_MAX) shares.clear();
      const planned = planShares(current, rule, without);
      shares.set(name, planned);
      return planned;
    },
  };
}

/** Where the class is counted that has no count of its own. */
export const UNCLASSED: KeyedClass = { key: classKey(ANYWHERE), rule: ANYWHERE };
