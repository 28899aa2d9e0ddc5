import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { StoredManifest } from "./function-manifest.ts";
import { Digest, Name, VersionNumber } from "./names.ts";

/*
 * What the catalog holds, one schema per kind of record, and the key of each. Values are JSON. Times are wall-clock
 * milliseconds since 1970, for people to read; nothing is ever decided by comparing them.
 */

/**
 * Which federation this catalog belongs to, and which version of these records it needs. Written once, by the first federator
 * that finds the catalog empty. A replica refuses a catalog of another federation, and one that needs a newer version.
 */
export const FederationRecord = Type.Object(
  {
    federationId: Type.String({ pattern: "^[0-9a-f]{32}$" }),
    /** A program that knows less than this must not read or write here. */
    schemaVersion: Type.Integer({ minimum: 1 }),
    createdAtMs: Type.Integer(),
  },
  extensible,
);
export type FederationRecord = Static<typeof FederationRecord>;
/** What this version of Meridian reads and writes. */
export const SCHEMA_VERSION = 1;

export const TenantRecord = Type.Object({ name: Name, createdAtMs: Type.Integer() }, extensible);
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
  extensible,
);
export type ApiKeyRecord = Static<typeof ApiKeyRecord>;

export const FunctionRecord = Type.Object(
  { tenant: Name, name: Name, latestVersion: VersionNumber, createdAtMs: Type.Integer() },
  extensible,
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
    manifest: StoredManifest,
    /** The revision of each secret that the manifest names, by the secret's name, as it was when the version was made. */
    secretRevisions: Type.Optional(Type.Record(Name, VersionNumber)),
    createdAtMs: Type.Integer(),
  },
  extensible,
);
export type VersionRecord = Static<typeof VersionRecord>;

/** A second version behind an alias, and its share of the calls. */
export const AdditionalVersion = Type.Object(
  { version: VersionNumber, percent: Type.Integer({ minimum: 1, maximum: 99 }) },
  extensible,
);
export const AliasRecord = Type.Object(
  {
    tenant: Name,
    functionName: Name,
    alias: Name,
    /** Takes what the additional versions leave. */
    version: VersionNumber,
    additionalVersions: Type.Optional(Type.Array(AdditionalVersion, { maxItems: 4 })),
    updatedAtMs: Type.Integer(),
  },
  extensible,
);
export type AliasRecord = Static<typeof AliasRecord>;

export const RolloutState = Type.Union([
  Type.Literal("running"),
  Type.Literal("succeeded"),
  Type.Literal("rolled-back"),
  Type.Literal("cancelled"),
]);
/**
 * A canary: the alias moves from one version to the next step by step, zone after zone, and back by itself when the new version
 * does worse than an equal-size control of the old one. While it runs, the alias' record points at `fromVersion`, and this
 * record alone says who gets the new one; its key is the alias', so that there is one at a time.
 */
export const RolloutRecord = Type.Object(
  {
    id: Type.String({ pattern: "^ro-[0-9a-z]{8,32}$" }),
    tenant: Name,
    functionName: Name,
    alias: Name,
    fromVersion: VersionNumber,
    toVersion: VersionNumber,
    state: RolloutState,
    /** In which order the zones come; each takes all steps before the next zone begins. */
    zones: Type.Array(Name, { minItems: 1 }),
    /** Share of the calls that the new version takes at each step, in percent, growing, the last one 100. */
    stepPercents: Type.Array(Type.Integer({ minimum: 1, maximum: 100 }), {
      minItems: 1,
      maxItems: 16,
    }),
    /** The step that is in force in the zone that moves now; zones before it are at 100 %, zones after it at 0. */
    zoneIndex: Type.Integer({ minimum: 0 }),
    stepIndex: Type.Integer({ minimum: 0 }),
    /** A step lasts at least so long, and until both arms have so many calls; a step that never gets them waits. */
    stepMsMin: Type.Integer({ minimum: 1 }),
    stepCallsMin: Type.Integer({ minimum: 1 }),
    /** Why it ended, or what it waits for. */
    reason: Type.String({ maxLength: 512 }),
    startedBy: Type.String(),
    startedAtMs: Type.Integer(),
    changedAtMs: Type.Integer(),
  },
  extensible,
);
export type RolloutRecord = Static<typeof RolloutRecord>;

/**
 * One revision of a tenant's secret, encrypted under a key of its own (AES-256-GCM), and that key encrypted under the federation's
 * key-encryption key, which the catalog never sees. Immutable. At most 4 KiB of value.
 */
export const SecretRecord = Type.Object(
  {
    tenant: Name,
    name: Name,
    revision: VersionNumber,
    /** Which key-encryption key; to be able to change it. */
    keyId: Type.String({ maxLength: 64 }),
    /** All base64: the data key as encrypted, then nonce and ciphertext with its tag. */
    wrappedKey: Type.String({ maxLength: 256 }),
    nonce: Type.String({ maxLength: 32 }),
    ciphertext: Type.String({ maxLength: 8_192 }),
    createdBy: Type.String(),
    createdAtMs: Type.Integer(),
  },
  extensible,
);
export type SecretRecord = Static<typeof SecretRecord>;

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

/** Bound to the leader's catalog lease; the record's create revision is the fencing token of everything it writes. */
export const LeaderRecord = Type.Object({ zone: Name, sessionId: Type.String() }, extensible);
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
  extensible,
);
export type VerdictRecord = Static<typeof VerdictRecord>;

/** Calls in flight at the same time, by tier. */
export const TierDemand = Type.Object(
  {
    critical: Type.Integer({ minimum: 0 }),
    normal: Type.Integer({ minimum: 0 }),
    batch: Type.Integer({ minimum: 0 }),
  },
  extensible,
);
export type TierDemand = Static<typeof TierDemand>;

/**
 * The one input of the plan besides metadata, written by the leader only, fenced by its token, at most once a second and only
 * on change. Capacities and demands are rounded to 5 %.
 */
export const PlanInputRecord = Type.Object(
  {
    /** Share of its normal weight a returning cluster may take, in percent; absent means 100. */
    rampPercent: Type.Record(Name, Type.Integer({ minimum: 0, maximum: 100 })),
    /** Calls each cluster can serve at the same time, as its agent says; absent means not known, and never full. */
    capacitySlots: Type.Optional(Type.Record(Name, Type.Integer({ minimum: 0 }))),
    /** What enters the federation in each zone, in calls in flight. */
    demand: Type.Optional(Type.Record(Name, TierDemand)),
    /** Clusters that returned after an unplanned loss and wait for an operator, for functions whose failback is manual. */
    awaitsFailback: Type.Optional(Type.Array(Name)),
  },
  extensible,
);
export type PlanInputRecord = Static<typeof PlanInputRecord>;

/** An operator's word on a cluster; without a record it is in service. */
export const ClusterRecord = Type.Object(
  {
    clusterId: Name,
    /** `draining`: no new calls. `quarantined`: no calls, and nothing it runs is trusted or deleted. */
    mode: Type.Union([
      Type.Literal("in-service"),
      Type.Literal("draining"),
      Type.Literal("quarantined"),
    ]),
    reason: Type.String({ maxLength: 512 }),
    changedBy: Type.String(),
    changedAtMs: Type.Integer(),
  },
  extensible,
);
export type ClusterRecord = Static<typeof ClusterRecord>;

/** Moves a share of a cluster's calls elsewhere for a while; hangs on a lease of the catalog, which ends it. */
export const ShiftRecord = Type.Object(
  {
    id: Type.String({ pattern: "^sh-[0-9a-z]{8,32}$" }),
    fromCluster: Name,
    /** Null: to wherever the plan would send them without that cluster. */
    toCluster: Type.Union([Name, Type.Null()]),
    percent: Type.Integer({ minimum: 1, maximum: 100 }),
    reason: Type.String({ maxLength: 512 }),
    createdBy: Type.String(),
    createdAtMs: Type.Integer(),
    /** For people; the lease decides. */
    expiresAtMs: Type.Integer(),
  },
  extensible,
);
export type ShiftRecord = Static<typeof ShiftRecord>;

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
  extensible,
);
export type ChangeRecord = Static<typeof ChangeRecord>;
