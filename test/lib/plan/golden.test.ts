import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ClassDemand } from "#lib/contracts/control-records.ts";
import { classOfRule, type PlacementClass, TIERS } from "#lib/plan/placement-class.ts";
import type { PlannedCluster, PlanInputs } from "#lib/plan/plan-inputs.ts";
import { planShares } from "#lib/plan/plan-shares.ts";
import { threeZones } from "../../core/gateway/zones.ts";

const GOLDEN = join(import.meta.dirname, "../../golden/plan-shares");

/** What a file leaves out is as on a quiet day: in service, at full weight, no demand. */
interface GoldenInput {
  readonly situation: string;
  readonly clusters: Readonly<Record<string, Partial<PlannedCluster>>>;
  readonly demand: ClassDemand["origins"];
  readonly shifts?: PlanInputs["shifts"];
  readonly awaitsFailback?: readonly string[];
  readonly without?: readonly string[];
  readonly placement?: Partial<PlacementClass>;
}

function shareTable(input: GoldenInput): Record<string, Record<string, string>> {
  const rule = classOfRule({ regions: [], ...input.placement });
  const inputs: PlanInputs = {
    zones: threeZones,
    clusters: threeZones.map(({ clusterId }) => ({
      clusterId,
      isInService: true,
      rampPercent: 100,
      capacitySlots: undefined,
      ...input.clusters[clusterId],
    })),
    demand: [{ ...rule, regions: [...rule.regions], origins: input.demand }],
    shifts: input.shifts ?? [],
    awaitsFailback: input.awaitsFailback ?? [],
  };
  const shares = planShares(inputs, rule, new Set(input.without));
  return Object.fromEntries(
    [...shares].map(([zone, origin]) => [
      zone,
      Object.fromEntries(TIERS.map((tier) => [tier, describe(origin[tier])])),
    ]),
  );
}

/** As people say it: `eu-west-1 70 %, us-east-1 30 %`. */
function describe({
  clusters,
  shed,
}: {
  clusters: readonly { clusterId: string; share: number }[];
  shed: number;
}): string {
  const parts = clusters
    .filter(({ share }) => share > 0)
    .map(({ clusterId, share }) => `${clusterId} ${percent(share)}`);
  if (shed > 0) parts.push(`shed ${percent(shed)}`);
  return parts.join(", ");
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;

const names = readdirSync(GOLDEN)
  .filter((file) => file.endsWith(".in.json"))
  .map((file) => file.slice(0, -".in.json".length));
assert.ok(names.length >= 9, "the golden pairs were found");

for (const name of names)
  test(`the shares of ${name} are the committed ones`, () => {
    const input = JSON.parse(readFileSync(join(GOLDEN, `${name}.in.json`), "utf8")) as GoldenInput;
    const expected: unknown = JSON.parse(readFileSync(join(GOLDEN, `${name}.out.json`), "utf8"));
    assert.deepEqual(shareTable(input), expected);
  });
