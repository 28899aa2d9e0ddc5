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

export const TenantRecord = Type.Object(
  {
    name: Name,
    createdAtMs: Type.Integer(),
    /** Set while an operator suspends the tenant: its calls are refused. */
    suspendedAtMs: Type.Optional(Type.Integer()),
    /** A region or zone: its callers are served as if they were there. Absent: where they are. */
    homeRegion: Type.Optional(Name),
  },
  extensible,
);
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

/**
 * A function that was deleted. One that is made again under its name goes on with its version numbers: logs, metrics and audit
 * tell versions apart by number alone.
 */
export const FormerFunctionRecord = Type.Object(
  { tenant: Name, name: Name, latestVersion: VersionNumber, deletedAtMs: Type.Integer() },
  extensible,
);
export type FormerFunctionRecord = Static<typeof FormerFunctionRecord>;

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
    /** What it was before, which a rollback goes back to; absent while it was never moved. */
    formerVersion: Type.Optional(VersionNumber),
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

/** A secret's name, and which of its revisions is the newest; numbers are never given out again, not even after a removal. */
export const SecretNameRecord = Type.Object(
  {
    tenant: Name,
    name: Name,
    latestRevision: VersionNumber,
    /** True: removed; only the number is kept. */
    isRemoved: Type.Boolean(),
    changedBy: Type.String(),
    changedAtMs: Type.Integer(),
  },
  extensible,
);
export type SecretNameRecord = Static<typeof SecretNameRecord>;

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
