import type { Drill } from "./drill.ts";

export interface DrillGround {
  readonly zones: readonly string[];
  /** Living processes of the zone that is to be killed. */
  readonly targetPids: number;
  /** Those with functions, who would feel it; null on a federation of the drill's own. */
  readonly tenants: readonly string[] | null;
}

/** Why the drill must not begin here; empty when it may. */
export function judgePrecheck(drill: Drill, ground: DrillGround): string[] {
  const { zone } = drill.target;
  if (!ground.zones.includes(zone))
    return [`there is no zone ${zone} here; there are ${ground.zones.join(", ")}`];
  const reasons: string[] = [];
  const percent = 100 / ground.zones.length;
  if (percent > drill.blastRadiusPercentMax)
    reasons.push(
      `one of ${ground.zones.length} zones is ${percent.toFixed(1)} % of the federation; the drill may fault ${drill.blastRadiusPercentMax} %`,
    );
  if (ground.targetPids === 0)
    reasons.push(
      `zone ${zone} has no process to kill: start it first (meridian zone start ${zone})`,
    );
  const others = ground.tenants?.filter((tenant) => !drill.tenants.includes(tenant)) ?? [];
  if (others.length > 0)
    reasons.push(
      `killing a zone also touches ${others.join(", ")}: name them in the drill's tenants, or use another federation`,
    );
  return reasons;
}
