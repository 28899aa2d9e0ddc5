import { type Static, Type } from "typebox";
import { Name } from "./names.ts";

/** `DIR/run/PROGRAM.json` or `DIR/run/ZONE.PROGRAM.json`: where a running program listens. Written atomically, removed by `up`. */
export const RunEndpoint = Type.Object(
  {
    program: Type.Union([
      Type.Literal("catalog"),
      Type.Literal("federator"),
      Type.Literal("gateway"),
      Type.Literal("agent"),
    ]),
    zone: Type.Union([Name, Type.Null()]),
    pid: Type.Integer({ minimum: 1 }),
    /** Tells this process from the one that had the same place before. */
    bootId: Type.String(),
    urls: Type.Object(
      {
        /** For the other programs; every call carries the boot token. */
        internal: Type.Optional(Type.String()),
        /** For users (gateways only): this gateway alone. */
        public: Type.Optional(Type.String()),
        /** `/metrics`, `/healthz`, `/readyz`. */
        admin: Type.String(),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type RunEndpoint = Static<typeof RunEndpoint>;

/** `DIR/credentials.json`, mode 0600, rewritten atomically at every change. */
export const Credentials = Type.Object(
  {
    endpoint: Type.String(),
    zones: Type.Record(
      Name,
      Type.Object(
        {
          gateway: Type.String(),
          /** Every process of the zone, launcher and instances included. */
          pids: Type.Array(Type.Integer({ minimum: 1 })),
        },
        { additionalProperties: false },
      ),
    ),
    operator: Type.Object({ apiKey: Type.String() }, { additionalProperties: false }),
    tenants: Type.Record(
      Name,
      Type.Object({ apiKey: Type.String() }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
);
export type Credentials = Static<typeof Credentials>;
