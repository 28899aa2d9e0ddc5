import { Type, type Static } from "typebox";
import { extensible } from "./extensible.ts";
import { Name } from "./names.ts";

/* Limits of tenants, the requests to change them, and how they are divided between zones. */

export const QUOTA_CODES = ["requests-per-second", "burst", "concurrency"] as const;
export const QuotaCode = Type.Enum(QUOTA_CODES);
export type QuotaCode = (typeof QUOTA_CODES)[number];

/** All limits of a tenant in one record, so that one compare-and-set changes them together. */
export const QuotaRecord = Type.Object(
  {
    tenant: Name,
    limits: Type.Object(
      {
        "requests-per-second": Type.Integer({ minimum: 1, maximum: 1_000_000 }),
        burst: Type.Integer({ minimum: 10, maximum: 1_000_000 }),
        concurrency: Type.Integer({ minimum: 1, maximum: 100_000 }),
      },
      extensible,
    ),
  },
  extensible,
);
export type QuotaRecord = Static<typeof QuotaRecord>;
export const DEFAULT_LIMITS = {
  "requests-per-second": 1_000,
  burst: 1_000,
  concurrency: 100,
} as const;

export const QuotaRequestState = Type.Union([
  Type.Literal("PENDING"),
  Type.Literal("APPROVED"),
  Type.Literal("DENIED"),
  Type.Literal("CANCELLED"),
]);
export const QuotaRequestRecord = Type.Object(
  {
    id: Type.String({ pattern: "^qr-[0-9a-z]{8,32}$" }),
    tenant: Name,
    quotaCode: QuotaCode,
    currentValue: Type.Integer(),
    desiredValue: Type.Integer(),
    reason: Type.String({ minLength: 1, maxLength: 1_000 }),
    state: QuotaRequestState,
    requestedBy: Type.String(),
    requestedAtMs: Type.Integer(),
    decidedBy: Type.Union([Type.String(), Type.Null()]),
    decidedAtMs: Type.Union([Type.Integer(), Type.Null()]),
    decisionReason: Type.Union([Type.String({ maxLength: 1_000 }), Type.Null()]),
  },
  extensible,
);
export type QuotaRequestRecord = Static<typeof QuotaRequestRecord>;

/**
 * How a tenant's rate and burst are divided among the zones, in millionths of the limit. Σ (floor + lease) ≤ 1,000,000
 * in every revision. A floor never expires; a lease may be spent only while the zone's session is alive.
 */
export const GrantRecord = Type.Object(
  {
    tenant: Name,
    zones: Type.Record(
      Name,
      Type.Object(
        {
          floorMillionths: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
          leaseMillionths: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
        },
        extensible,
      ),
    ),
  },
  extensible,
);
export type GrantRecord = Static<typeof GrantRecord>;

/** Bound to the zone's catalog lease: it vanishes when the zone's federator stops renewing, and its leases with it. */
export const ZoneSessionRecord = Type.Object(
  { zone: Name, sessionId: Type.String(), startedAtMs: Type.Integer() },
  extensible,
);
export type ZoneSessionRecord = Static<typeof ZoneSessionRecord>;
