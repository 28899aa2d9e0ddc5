import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Name, VersionNumber } from "./names.ts";

/**
 * Where a call went and why: the answer's header `Meridian-Receipt`, for a request that asked with `Meridian-Receipt: 1`. JSON in ASCII,
 * at most 1 KiB.
 */
export const RoutingReceipt = Type.Object(
  {
    /** The gateway that answered, by its zone. */
    gateway: Name,
    /** Null where no cluster was tried. */
    cluster: Type.Union([Name, Type.Null()]),
    version: Type.Optional(VersionNumber),
    attempts: Type.Array(
      Type.Object(
        {
          cluster: Name,
          ms: Type.Number({ minimum: 0 }),
          /** Absent for the one that answered; else what is proved of it: `not-sent`, `not-begun`, `refused`, `maybe-executed`, … */
          failure: Type.Optional(Type.String()),
          /** Left out for callers of public functions, and where the header would grow too long. */
          reason: Type.Optional(Type.String()),
        },
        extensible,
      ),
    ),
    table: Type.Object(
      {
        revision: Type.Integer(),
        /** Since the gateway last heard its federator. */
        ageMs: Type.Number({ minimum: 0 }),
      },
      extensible,
    ),
    coldStart: Type.Boolean(),
    traceId: Type.String(),
  },
  extensible,
);
export type RoutingReceipt = Static<typeof RoutingReceipt>;
