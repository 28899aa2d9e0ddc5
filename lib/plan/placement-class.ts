import type { ClassDemand } from "#lib/contracts/control-records.ts";
import type { Placement } from "#lib/contracts/placement.ts";

export const TIERS = ["critical", "normal", "batch"] as const;
export type Tier = (typeof TIERS)[number];

/** What decides where the calls of a function may go, and how they spread. */
export type PlacementClass = Pick<ClassDemand, "regions" | "spread" | "failback">;

export const ANYWHERE: PlacementClass = { regions: [], spread: "nearest", failback: "automatic" };

/** The same class for the same rule, in whatever order its regions were written. */
export const classOfPlacement = ({
  regions,
  spread = "nearest",
  failback = "automatic",
}: Pick<Placement, "regions" | "spread" | "failback">): PlacementClass => ({
  regions: [...new Set(regions)].toSorted(),
  spread,
  failback,
});

export const classKey = ({ regions, spread, failback }: PlacementClass): string =>
  `${regions.join("+")}/${spread}/${failback}`;
