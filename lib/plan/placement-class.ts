import type { ClassDemand } from "#lib/contracts/control-records.ts";
import type { Placement } from "#lib/contracts/placement.ts";
import { type IsolationWish, requiredLevel } from "#lib/isolation.ts";

export const TIERS = ["critical", "normal", "batch"] as const;
export type Tier = (typeof TIERS)[number];

/** What decides where the calls of a function may go, and how they spread. */
export type PlacementClass = Pick<ClassDemand, "regions" | "spread" | "failback" | "minIsolation">;

/** What of a version's manifest decides that. */
export interface Placed extends IsolationWish {
  readonly placement: Placement;
}

export const ANYWHERE: PlacementClass = { regions: [], spread: "nearest", failback: "automatic" };

type Rule = Pick<Placement, "regions" | "spread" | "failback"> &
  Pick<PlacementClass, "minIsolation">;

/** The same class for the same rule, in whatever order its regions were written. */
export const classOfRule = ({
  regions,
  spread = "nearest",
  failback = "automatic",
  minIsolation = "L0",
}: Rule): PlacementClass => ({
  regions: [...new Set(regions)].toSorted(),
  spread,
  failback,
  ...(minIsolation !== "L0" && { minIsolation }),
});

export const classOf = (placed: Placed): PlacementClass =>
  classOfRule({ ...placed.placement, minIsolation: requiredLevel(placed) });

export const classKey = ({ regions, spread, failback, minIsolation }: PlacementClass): string =>
  `${regions.join("+")}/${spread}/${failback}${minIsolation === undefined ? "" : `/${minIsolation}`}`;
