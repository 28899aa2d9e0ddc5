import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Name } from "./names.ts";
import { Position } from "./route-table.ts";

/* What a gateway thinks at this moment: `GET /v1/gateways/ZONE/state`, for operators. */

const Count = Type.Integer({ minimum: 0 });
const Counts = Type.Record(Type.String(), Count);

/** Everything between this gateway and one cluster. */
export const ClusterSight = Type.Object(
  {
    clusterId: Name,
    zone: Name,
    /** The federation's word, an operator's, and the ramp after a return, as the table has them. */
    state: Type.Enum(["up", "down", "unseen"]),
    mode: Type.String(),
    weightPercent: Type.Number({ minimum: 0, maximum: 100 }),
    /** Held to be down by this zone's federator, ahead of a verdict. */
    isOverlaid: Type.Boolean(),
    /** This gateway's own pings; `absent`: no agent of it is known to be running. */
    pings: Type.Object(
      {
        view: Type.Enum(["good", "unknown", "late", "avoid", "absent"]),
        missesInARow: Count,
        /** Of the last second; null where none came back. */
        roundTripMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
      },
      extensible,
    ),
    breaker: Type.Enum(["closed", "open", "half-open"]),
    /** How calls go there: over one framed link, as plain HTTP, or not at the moment. */
    link: Type.Enum(["framed", "plain-http", "connecting", "none"]),
    /** Attempts of this gateway that are under way, and how many there may be. */
    inFlight: Count,
    inFlightMax: Count,
  },
  extensible,
);
export type ClusterSight = Static<typeof ClusterSight>;

/** What a tenant may still do at this gateway. */
export const TenantAllowance = Type.Object(
  {
    tenant: Name,
    /** This gateway's share of the tenant's rate, in millionths: for good, and on lease for `leaseLeftMs`. */
    floorMillionths: Type.Number({ minimum: 0 }),
    leaseMillionths: Type.Number({ minimum: 0 }),
    leaseLeftMs: Type.Number({ minimum: 0 }),
    /** Requests that it may send at once. */
    tokens: Type.Number({ minimum: 0 }),
    inFlight: Count,
    /** Of the whole federation; null until the tenant has called here. */
    limits: Type.Union([Type.Record(Type.String(), Type.Number()), Type.Null()]),
  },
  extensible,
);
export type TenantAllowance = Static<typeof TenantAllowance>;

export const GatewayState = Type.Object(
  {
    zone: Name,
    pid: Type.Integer({ minimum: 1 }),
    /** Changes with each start. */
    bootId: Type.String(),
    uptimeMs: Type.Number({ minimum: 0 }),
    /** Null: it may be sent traffic; else why not. */
    notReady: Type.Union([Type.String(), Type.Null()]),
    table: Type.Object(
      {
        position: Type.Union([Position, Type.Null()]),
        /** Since its federator was last heard. */
        ageMs: Type.Number({ minimum: 0 }),
        /** Since the table is known to have been the newest; null: not yet. */
        confirmedAgeMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
      },
      extensible,
    ),
    clusters: Type.Array(ClusterSight),
    /** Of the last ten seconds. */
    retryBudget: Type.Object(
      { requests: Count, spent: Count, allowed: Count, refused: Type.Optional(Count) },
      extensible,
    ),
    /** Circuits of single functions on single clusters. */
    circuits: Type.Object({ kept: Count, open: Count }, extensible),
    /** Those with most calls under way first, at most a thousand. */
    tenants: Type.Array(TenantAllowance, { maxItems: 1_000 }),
    tenantsLeftOut: Count,
    /** Since it started: how calls of functions ended, further attempts by why, and refusals by the limit. */
    counts: Type.Object({ outcomes: Counts, retries: Counts, limited: Counts }, extensible),
  },
  extensible,
);
export type GatewayState = Static<typeof GatewayState>;
