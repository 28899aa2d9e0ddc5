import type { ClassDemand } from "#lib/contracts/control-records.ts";
import type { IsolationLevel } from "#lib/contracts/isolation.ts";
import type { ClusterRoute, PlanRoute, RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { ANYWHERE } from "./placement-class.ts";

export interface PlannedCluster {
  readonly clusterId: string;
  /** By the federation's verdict and an operator's word. */
  readonly isInService: boolean;
  /** 100 but for a cluster that has just returned. */
  readonly rampPercent: number;
  /** Calls it can serve at the same time; undefined: not known, and never full. */
  readonly capacitySlots: number | undefined;
  /** What it has proved of its instances; absent: nothing. */
  readonly isolationLevel?: IsolationLevel | undefined;
}

/** All that the shares are worked out from. */
export interface PlanInputs {
  readonly zones: readonly Zone[];
  readonly clusters: readonly PlannedCluster[];
  readonly demand: readonly ClassDemand[];
  readonly shifts: PlanRoute["shifts"];
  readonly awaitsFailback: readonly string[];
}

const NOTHING_KNOWN: PlanRoute = {
  kind: "plan",
  capacitySlots: {},
  demand: {},
  awaitsFailback: [],
  shifts: [],
};

/** The inputs as a table has them; `find` gives its entry of a key. Without a plan in it, no capacity and no demand is known. */
export function planInputs(
  find: (entryKey: string) => RouteEntry | undefined,
  zones: readonly Zone[],
): PlanInputs {
  const found = find("plan");
  const plan = found?.kind === "plan" ? found : NOTHING_KNOWN;
  const clusters = zones.map(({ clusterId }): PlannedCluster => {
    const entry = find(`cluster/${clusterId}`);
    const route = entry?.kind === "cluster" ? entry : undefined;
    return {
      clusterId,
      isInService: route !== undefined && isInService(route),
      rampPercent: route?.weightPercent ?? 0,
      capacitySlots: plan.capacitySlots[clusterId],
      isolationLevel: route?.isolationLevel,
    };
  });
  const demand = [{ ...ANYWHERE, origins: plan.demand }, ...(plan.classDemand ?? [])];
  return { zones, clusters, demand, shifts: plan.shifts, awaitsFailback: plan.awaitsFailback };
}

const isInService = ({ state, mode = "in-service" }: ClusterRoute): boolean =>
  state === "up" && mode === "in-service";
