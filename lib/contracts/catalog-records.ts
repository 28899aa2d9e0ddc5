import { type Static, Type } from "typebox";
import { FunctionManifest } from "./function-manifest.ts";
import { Digest, Name, VersionNumber } from "./names.ts";

/*
 * What the catalog holds, one schema per kind of record, and the key of each. Values are JSON. Times are wall-clock
 * milliseconds since 1970, for people to read; nothing is ever decided by comparing them.
 */

const closed = { additionalProperties: false } as const;

export const TenantRecord = Type.Object({ name: Name, createdAtMs: Type.Integer() }, closed);
export type TenantRecord = Static<typeof TenantRecord>;

export const ROLES = [
  "tenant-reader",
  "tenant-admin",
  "approver",
  "operator",
  "drill-runner",
] as const;
export const Role = Type.Enum(ROLES);
export type Role = (typeof ROLES)[number];

/** An API key, found by the SHA-256 of its text; the text itself is shown once and stored nowhere. */
export const ApiKeyRecord = Type.Object(
  {
    keyHash: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    /** The first characters of the key, so that people can tell keys apart. */
    prefix: Type.String({ maxLength: 16 }),
    /** Null for keys of the operators, which belong to no tenant. */
    tenant: Type.Union([Name, Type.Null()]),
    roles: Type.Array(Role),
    createdAtMs: Type.Integer(),
  },
  closed,
);
export type ApiKeyRecord = Static<typeof ApiKeyRecord>;

export const FunctionRecord = Type.Object(
  { tenant: Name, name: Name, latestVersion: VersionNumber, createdAtMs: Type.Integer() },
  closed,
);
export type FunctionRecord = Static<typeof FunctionRecord>;

/** Immutable once written: code by digest and the whole configuration it runs with. At most 2 KiB as JSON. */
export const VersionRecord = Type.Object(
  {
    tenant: Name,
    functionName: Name,
    version: VersionNumber,
    codeDigest: Digest,
    codeBytes: Type.Integer({ minimum: 0 }),
    manifest: FunctionManifest,
    createdAtMs: Type.Integer(),
  },
  closed,
);
export type VersionRecord = Static<typeof VersionRecord>;

export const AliasRecord = Type.Object(
  {
    tenant: Name,
    functionName: Name,
    alias: Name,
    version: VersionNumber,
    updatedAtMs: Type.Integer(),
  },
  closed,
);
export type AliasRecord = Static<typeof AliasRecord>;

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
      closed,
    ),
  },
  closed,
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
  closed,
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
        closed,
      ),
    ),
  },
  closed,
);
export type GrantRecord = Static<typeof GrantRecord>;

/** Bound to the zone's catalog lease: it vanishes when the zone's federator stops renewing, and its leases with it. */
export const ZoneSessionRecord = Type.Object(
  { zone: Name, sessionId: Type.String(), startedAtMs: Type.Integer() },
  closed,
);
export type ZoneSessionRecord = Static<typeof ZoneSessionRecord>;

/** Bound to the leader's catalog lease; the record's create revision is the fencing token of everything it writes. */
export const LeaderRecord = Type.Object({ zone: Name, sessionId: Type.String() }, closed);
export type LeaderRecord = Static<typeof LeaderRecord>;

export const VerdictState = Type.Union([Type.Literal("up"), Type.Literal("down")]);
/** The federation's durable decision on a cluster. A cluster without a record was never seen. */
export const VerdictRecord = Type.Object(
  {
    clusterId: Name,
    state: VerdictState,
    /** `planned` downs (drained, stopped on purpose, never seen) come back at the first good probe, without hold or ramp. */
    cause: Type.Union([
      Type.Literal("unplanned"),
      Type.Literal("planned"),
      Type.Literal("first-seen"),
    ]),
    /** The zones whose observation carried it. */
    evidence: Type.Array(Name),
    decidedBy: Name,
    decidedAtMs: Type.Integer(),
    /** Unplanned downs so far; each doubles the hold before the next return. */
    flaps: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type VerdictRecord = Static<typeof VerdictRecord>;

/** The one input of the plan besides metadata, written by the leader only, fenced by its token. */
export const PlanInputRecord = Type.Object(
  {
    /** Share of its normal weight a returning cluster may take, in percent; absent means 100. */
    rampPercent: Type.Record(Name, Type.Integer({ minimum: 0, maximum: 100 })),
  },
  closed,
);
export type PlanInputRecord = Static<typeof PlanInputRecord>;

/** Rides in the same transaction as the change it tells of; every zone writes its audit from these revisions. */
export const ChangeRecord = Type.Object(
  {
    action: Type.String({ maxLength: 64 }),
    actor: Type.String({ maxLength: 128 }),
    requestId: Type.String({ maxLength: 64 }),
    tenant: Type.Union([Name, Type.Null()]),
    subject: Type.String({ maxLength: 256 }),
    detail: Type.Record(
      Type.String(),
      Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
    ),
    atMs: Type.Integer(),
  },
  closed,
);
export type ChangeRecord = Static<typeof ChangeRecord>;
