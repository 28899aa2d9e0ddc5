import type { Placement, PlacementPart } from "#lib/contracts/placement.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { permittedZones } from "#lib/residency.ts";

const DEFAULTS: Placement = { regions: [], tier: "normal", clustersMin: 1 };

/** What the new version says, over what stands: a deploy that says nothing of regions must not let calls leave theirs. */
export const keepPlacement = (
  said: PlacementPart | undefined,
  standing: Placement | undefined,
): Placement => ({ ...DEFAULTS, ...standing, ...said });

type Residency = Pick<Placement, "regions">;

/** Whether any of `after` may run where none of `before` may. Anywhere is wider than all zones there are: more may come. */
export function isWider(
  after: readonly Residency[],
  before: readonly Residency[],
  zones: readonly Zone[],
): boolean {
  const isAnywhere = ({ regions }: Residency): boolean => regions.length === 0;
  if (before.some(isAnywhere)) return false;
  if (after.some(isAnywhere)) return true;
  const zonesOf = (all: readonly Residency[]): ReadonlySet<string> =>
    new Set(all.flatMap(({ regions }) => permittedZones(regions, zones)).map(({ name }) => name));
  return !zonesOf(after).isSubsetOf(zonesOf(before));
}
