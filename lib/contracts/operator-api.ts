import { type Static, Type } from "typebox";
import { ShiftRecord } from "./control-records.ts";
import { Name } from "./names.ts";
import { Placement } from "./placement.ts";

/* What operators send to clusters and shifts, and what they see of the plan; the paths stand in `api.ts`. */
const closed = { additionalProperties: false } as const;

export const ChangeCluster = Type.Object(
  {
    reason: Type.Optional(Type.String({ maxLength: 512 })),
    /** Also where no other cluster would take calls. */
    force: Type.Optional(Type.Boolean()),
  },
  closed,
);

/** A shift lasts a minute at least and a day at most. */
export const SHIFT_MINUTES_MAX = 1_440;
export const CreateShift = Type.Object(
  {
    fromCluster: Name,
    /** Absent or null: to wherever the plan would send them without that cluster. */
    toCluster: Type.Optional(Type.Union([Name, Type.Null()])),
    percent: ShiftRecord.properties.percent,
    minutes: Type.Integer({ minimum: 1, maximum: SHIFT_MINUTES_MAX }),
    reason: ShiftRecord.properties.reason,
  },
  closed,
);
export type CreateShift = Static<typeof CreateShift>;
/** Who serves the calls that come from near a zone, of functions that may run anywhere. */
export const ZoneShares = Type.Object(
  {
    zone: Name,
    /** Of the normal tier, in percent, nearest first. */
    clusters: Type.Array(
      Type.Object({ clusterId: Name, percent: Type.Number({ minimum: 0, maximum: 100 }) }, closed),
    ),
    shedPercent: Type.Record(Placement.properties.tier, Type.Number({ minimum: 0, maximum: 100 })),
  },
  closed,
);
export type ZoneShares = Static<typeof ZoneShares>;
