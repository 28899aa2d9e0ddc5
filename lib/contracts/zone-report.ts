import { type Static, Type } from "typebox";
import { Name, VersionNumber } from "./names.ts";

/* What runs in a zone tells its federator each second: `POST /internal/reports`. Newest wins; nothing is stored. */
const closed = { additionalProperties: false } as const;

export const AgentReport = Type.Object(
  {
    program: Type.Literal("agent"),
    clusterId: Name,
    instancesMax: Type.Integer({ minimum: 0 }),
    inFlight: Type.Integer({ minimum: 0 }),
    functions: Type.Array(
      Type.Object(
        {
          tenant: Name,
          functionName: Name,
          version: VersionNumber,
          starting: Type.Integer({ minimum: 0 }),
          idle: Type.Integer({ minimum: 0 }),
          busy: Type.Integer({ minimum: 0 }),
          queued: Type.Integer({ minimum: 0 }),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type AgentReport = Static<typeof AgentReport>;

export const GatewayReport = Type.Object(
  {
    program: Type.Literal("gateway"),
    receiver: Type.String({ maxLength: 128 }),
    /** Requests offered per second, refused ones included, as an average over about two seconds. */
    demand: Type.Array(
      Type.Object({ tenant: Name, requestsPerSecond: Type.Number({ minimum: 0 }) }, closed),
    ),
    /** Clusters this gateway does not use now, and why. */
    avoided: Type.Array(
      Type.Object({ clusterId: Name, reason: Type.String({ maxLength: 64 }) }, closed),
    ),
  },
  closed,
);
export type GatewayReport = Static<typeof GatewayReport>;

export const ZoneReport = Type.Union([AgentReport, GatewayReport]);
export type ZoneReport = Static<typeof ZoneReport>;

/** What a federator tells the other federators, each 500 ms and on change: `POST /internal/observations`. */
export const Observation = Type.Object(
  {
    zone: Name,
    /** Grows with every message of one process; an older one is ignored. */
    sequence: Type.Integer({ minimum: 0 }),
    bootId: Type.String(),
    /** False when the observer distrusts itself: its event loop lags, or most of its targets look down. */
    isQualified: Type.Boolean(),
    clusters: Type.Array(
      Type.Object(
        {
          clusterId: Name,
          view: Type.Union([Type.Literal("up"), Type.Literal("down"), Type.Literal("unknown")]),
          sinceMs: Type.Number(),
        },
        closed,
      ),
    ),
    /** Demand of the zone's gateways, for dividing quotas. */
    demand: Type.Array(
      Type.Object({ tenant: Name, requestsPerSecond: Type.Number({ minimum: 0 }) }, closed),
    ),
  },
  closed,
);
export type Observation = Static<typeof Observation>;
