import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

/** Where a function may run and how important it is when capacity is short. */
export const Placement = Type.Object(
  {
    /** Regions or jurisdictions the function must never leave; empty means anywhere. */
    regions: Type.Array(Name, { maxItems: 32, default: [] }),
    tier: Type.Union([Type.Literal("critical"), Type.Literal("normal"), Type.Literal("batch")], {
      default: "normal",
    }),
    /** `nearest` first, or an even share for every permitted cluster. */
    spread: Type.Optional(Type.Union([Type.Literal("nearest"), Type.Literal("even")])),
    /** `manual`: a cluster that was lost gets this function's calls again only when an operator releases it. */
    failback: Type.Optional(Type.Union([Type.Literal("automatic"), Type.Literal("manual")])),
    /** A placement that leaves fewer clusters than this is refused. All that it leaves keep code and secrets at hand. */
    clustersMin: Type.Integer({ minimum: 1, maximum: 32, default: 1 }),
  },
  { additionalProperties: false },
);
export type Placement = Static<typeof Placement>;

/** What a new version says of its placement; what it does not say stays as it is behind `live`, and has its default where nothing is. */
export const PlacementPart = Type.Object(
  {
    regions: Type.Optional(Type.Array(Name, { maxItems: 32 })),
    tier: Type.Optional(
      Type.Union([Type.Literal("critical"), Type.Literal("normal"), Type.Literal("batch")]),
    ),
    spread: Placement.properties.spread,
    failback: Placement.properties.failback,
    clustersMin: Type.Optional(Type.Integer({ minimum: 1, maximum: 32 })),
  },
  { additionalProperties: false },
);
export type PlacementPart = Static<typeof PlacementPart>;
