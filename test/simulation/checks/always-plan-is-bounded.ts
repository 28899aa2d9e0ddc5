import type { RouteEntry } from "#lib/contracts/route-table.ts";
import { ANYWHERE } from "#lib/plan/placement-class.ts";
import { type PlanInputs, planInputs } from "#lib/plan/plan-inputs.ts";
import { planShares, type PlannedShares } from "#lib/plan/plan-shares.ts";
import { canonicalJson } from "#lib/table-digest.ts";
import { zonesOf } from "../world/settings.ts";
import type { Invariant } from "./check.ts";

/** As DESIGN has it: so much of a cluster's slots is filled by the plan, and the rest is for what the plan did not foresee. */
const FILLED_MAX = 0.85;
/** The rounding of floating-point numbers, in calls. */
const NEARLY = 1e-3;

/** Worked out from each gateway's table as that gateway does it, the zones in an order of its own. */
export const planIsBounded: Invariant = {
  name: "8 the plan is the same in every zone, and fills no cluster beyond its limit",
  start: ({ world, broken }) => {
    const known = new Map<string, string>();
    const lastParts = new Map<string, readonly (RouteEntry | undefined)[]>();
    return {
      always: (event) => {
        if (event.kind !== "table") return;
        const { zone, gatewayHost, table } = event;
        const zones = inOrderOf(zone, world.zones.length);
        const find = (key: string): RouteEntry | undefined => table.entries.get(key);
        const parts = ["plan", ...zones.map(({ clusterId }) => `cluster/${clusterId}`)].map(find);
        const before = lastParts.get(gatewayHost);
        lastParts.set(gatewayHost, parts);
        if (before?.every((part, index) => part === parts[index]) === true) return;

        const inputs = planInputs(find, zones);
        const shares = planShares(inputs, ANYWHERE, new Set());
        const place = `${table.position.incarnation}@${table.position.revision}`;
        const text = canonicalJson(Object.fromEntries(shares));
        const same = known.get(place) ?? text;
        known.set(place, same);
        if (same !== text) broken(`${place}: ${zone} plans ${text}, another zone ${same}`);
        const fault = faultOf(inputs, shares);
        if (fault !== undefined) broken(`${zone}'s plan at ${place}: ${fault}`);
      },
    };
  },
};

/** Every zone lists itself first. */
function inOrderOf(own: string, count: number) {
  const zones = zonesOf(count);
  const index = zones.findIndex(({ name }) => name === own);
  return [...zones.slice(index), ...zones.slice(0, index)];
}

function faultOf(inputs: PlanInputs, shares: PlannedShares): string | undefined {
  const calls = new Map<string, number>();
  for (const [origin, byTier] of shares)
    for (const tier of ["critical", "normal", "batch"] as const) {
      const { clusters, shed } = byTier[tier];
      const sum = clusters.reduce((total, { share }) => total + share, shed);
      if (Math.abs(sum - 1) > NEARLY || clusters.some(({ share }) => share < 0))
        return `the shares of ${origin}'s ${tier} calls add up to ${sum}`;
      const demand = inputs.demand[0]?.origins[origin]?.[tier] ?? 0;
      for (const { clusterId, share } of clusters)
        calls.set(clusterId, (calls.get(clusterId) ?? 0) + share * demand);
    }
  for (const { clusterId, isInService, capacitySlots } of inputs.clusters) {
    const its = calls.get(clusterId) ?? 0;
    if (its > 0 && !isInService) return `${clusterId} is out of service and gets ${its} calls`;
    const most = (capacitySlots ?? Number.POSITIVE_INFINITY) * FILLED_MAX;
    if (its > most + NEARLY) return `${clusterId} gets ${its} calls, ${most} at most would fit`;
  }
  return undefined;
}
