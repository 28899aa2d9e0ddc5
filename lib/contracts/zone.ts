import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

/** A failure domain with its own federator, gateway and cluster; known to every program from its configuration. */
export const Zone = Type.Object(
  {
    name: Name,
    region: Name,
    /** Lower-case legal area such as `eu`, `us`, `in`; what residency may name beside regions. */
    jurisdiction: Name,
    /** The one cluster of the zone, one agent each. */
    clusterId: Name,
    latitudeDegrees: Type.Number({ minimum: -90, maximum: 90 }),
    longitudeDegrees: Type.Number({ minimum: -180, maximum: 180 }),
    /** Draws callers from farther away, or, below 0, leaves more of them to its neighbours; absent: 0. */
    biasPercent: Type.Optional(Type.Integer({ minimum: -99, maximum: 99 })),
  },
  { additionalProperties: false },
);
export type Zone = Static<typeof Zone>;
