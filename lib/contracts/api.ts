import { type Static, Type } from "typebox";
import {
  AdditionalVersion,
  AliasRecord,
  ApiKeyRecord,
  Role,
  RolloutRecord,
  VersionRecord,
} from "./catalog-records.ts";
import { QuotaCode } from "./quota-records.ts";
import { FunctionManifest, SentManifest } from "./function-manifest.ts";
import { Digest, Name, VersionNumber } from "./names.ts";

/** What an upload of code may have; every other body of the management API is far smaller. */
export const CODE_BYTES_MAX = 50 * 1024 * 1024;
export const API_BODY_BYTES_MAX = 1024 * 1024;

/*
 * The bodies of the management API, `/v1/…`, served by every federator and passed on by every gateway. Errors are
 * problem+json (`lib/problem.ts`). Another tenant's things answer 404. Lists are `{items, next}`; `next` is a cursor or null.
 *
 *   GET    /v1/whoami                                              Whoami
 *   GET    /v1/tenants                    POST {name}              operator; POST answers TenantCreated, 201
 *   POST   /v1/tenants/T:suspend  T:resume                         TenantSuspension, once gateways and agents know; operator
 *   POST   /v1/tenants/T:home             MoveTenantHome           TenantHome, once gateways know; operator
 *   GET    /v1/tenants/T/keys             POST CreateKey           {items: KeyView[]}; POST answers KeyCreated, 201
 *   DELETE /v1/tenants/T/keys/ID                                   Enforced, once gateways and agents know
 *   PUT    /v1/tenants/T/code/DIGEST      application/zip          CodeStored, 201; verified, staged in this zone
 *   GET    /v1/tenants/T/functions                                 {items: FunctionView[]}
 *   GET    /v1/tenants/T/functions/F      DELETE                   FunctionView; DELETE 204 once every reachable gateway knows
 *   PUT    /v1/tenants/T/functions/F      CreateVersion            Deployed: 201 new function, 200 new version or nothing to change
 *   GET    /v1/tenants/T/functions/F/versions   POST CreateVersion {items: VersionRecord[]}; POST answers Deployed, 201
 *   GET    /v1/tenants/T/functions/F/versions/N DELETE             VersionRecord; 409 while an alias or a rollout needs it
 *   GET    /v1/tenants/T/functions/F/placement  PUT Placement      Placement behind live; PUT makes a version, answers Deployed
 *   GET    /v1/tenants/T/functions/F/aliases                       {items: AliasRecord[]}
 *   GET    /v1/tenants/T/functions/F/aliases/A  PUT MoveAlias  DELETE   AliasRecord; `meridian-waiting` names who lacks it
 *   POST   /v1/tenants/T/functions/F/aliases/A:rollout  StartRollout    RolloutRecord, 201
 *   POST   /v1/tenants/T/functions/F/aliases/A:cancel-rollout      RolloutRecord
 *   GET    /v1/tenants/T/functions/F/rollouts                      {items: RolloutRecord[]}, the newest of each alias
 *   GET    /v1/tenants/T/secrets                                   {items: SecretView[]}
 *   GET    /v1/tenants/T/secrets/NAME     PUT PutSecret  DELETE    SecretView; the value goes in and never comes out
 *   GET    /v1/tenants/T/functions/F/logs?requestId=&sinceMs=&limit=   LogPage
 *   GET    /v1/tenants/T/quotas                                    {items: QuotaView[]}
 *   GET    /v1/tenants/T/quota-requests   POST CreateQuotaRequest  {items: QuotaRequestRecord[]}; POST 201
 *   GET    /v1/quota-requests[?state=]    GET /v1/quota-requests/ID    approver and operator: all; tenants: their own
 *   POST   /v1/quota-requests/ID:approve|:deny|:cancel   {reason?} QuotaRequestRecord
 *   GET    /v1/clusters                   GET /v1/clusters/C       {items: ClusterView[]}; ClusterView
 *   POST   /v1/clusters/C:drain|:undrain|:quarantine|:release      ChangeCluster; operator; ClusterView
 *   GET    /v1/shifts                     POST CreateShift         {items: ShiftRecord[]}; operator; POST 201 ShiftRecord
 *   DELETE /v1/shifts/ID                                           204
 *   GET    /v1/status                                              FederationStatus: fans out, names who did not answer
 *   GET    /v1/audit?tenant=&limit=                                {items: AuditEntry[], silentZones}, newest first; tenants see their own
 *   GET    /v1/usage?tenant=&function=&from=&to=&interval=&by=    UsagePage; tenants see their own
 *   GET    /v1/gateways/ZONE/state                                 GatewayState; operator (answered by that gateway itself)
 *   GET    /v1/route:explain?tenant=&function=&ip=&region=         RouteExplanation (answered by the gateway itself)
 *
 * Functions, their versions, aliases and placement, and secrets carry an ETag, `"<revision>"`. Whatever changes one of them honours
 * `If-Match` and, where it can make it, `If-None-Match: *`; what does not hold is answered with 412.
 */
const closed = { additionalProperties: false } as const;

export const Whoami = Type.Object(
  { tenant: Type.Union([Name, Type.Null()]), roles: Type.Array(Role), keyPrefix: Type.String() },
  closed,
);
export type Whoami = Static<typeof Whoami>;

export const CreateTenant = Type.Object({ name: Name }, closed);
/** The only time the key is shown. */
export const TenantCreated = Type.Object({ tenant: Name, apiKey: Type.String() }, closed);
export type TenantCreated = Static<typeof TenantCreated>;

/** Who has a change in force: receivers by name. Those that could not be reached, or not in time, are waiting. */
export const Enforced = Type.Object(
  { ready: Type.Array(Type.String()), waiting: Type.Array(Type.String()) },
  closed,
);
export type Enforced = Static<typeof Enforced>;

/** Of an answer that shows what was changed: who does not have it in force yet, or cannot be reached. Absent: nobody. */
export const WAITING_HEADER = "meridian-waiting";

/** Of a deploy whose regions were not said: the version behind `live` that they were kept from. */
export const PLACEMENT_FROM_HEADER = "meridian-placement-from";

export const TenantSuspension = Type.Object(
  { tenant: Name, isSuspended: Type.Boolean(), enforced: Enforced },
  closed,
);
export type TenantSuspension = Static<typeof TenantSuspension>;

/** A region or zone; null: callers are served where they are. */
const HomeRegion = Type.Union([Name, Type.Null()]);
export const MoveTenantHome = Type.Object({ homeRegion: HomeRegion }, closed);
export const TenantHome = Type.Object(
  { tenant: Name, homeRegion: HomeRegion, enforced: Enforced },
  closed,
);
export type TenantHome = Static<typeof TenantHome>;

export const KEY_ID_PATTERN = "^[0-9a-f]{16}$";
/** What may be seen of a key: its id is the beginning of the SHA-256 of its text. */
export const KeyView = Type.Object(
  {
    id: Type.String({ pattern: KEY_ID_PATTERN }),
    prefix: ApiKeyRecord.properties.prefix,
    roles: ApiKeyRecord.properties.roles,
    createdAtMs: Type.Integer(),
  },
  closed,
);
export type KeyView = Static<typeof KeyView>;

export const CreateKey = Type.Object(
  {
    /** Absent: tenant-admin. */
    roles: Type.Optional(
      Type.Array(Type.Union([Type.Literal("tenant-admin"), Type.Literal("tenant-reader")]), {
        minItems: 1,
        maxItems: 2,
        uniqueItems: true,
      }),
    ),
  },
  closed,
);
/** The only time the key is shown. */
export const KeyCreated = Type.Object({ key: KeyView, apiKey: Type.String() }, closed);
export type KeyCreated = Static<typeof KeyCreated>;

export const CodeStored = Type.Object(
  {
    digest: Digest,
    bytes: Type.Integer(),
    files: Type.Integer(),
    /** For `CreateVersion`: that the tenant brought the code; good until the federation starts anew. */
    receipt: Type.String(),
  },
  closed,
);
export type CodeStored = Static<typeof CodeStored>;

/** Makes the next version and points the alias at it, in one revision. */
export const CreateVersion = Type.Object(
  {
    codeDigest: Digest,
    /** From the upload. Absent: the code of the version that this one follows. */
    codeReceipt: Type.Optional(Type.String({ maxLength: 128 })),
    manifest: SentManifest,
    /** Absent: `live`. Null: none, so that nobody calls the version yet. */
    alias: Type.Optional(Type.Union([Name, Type.Null()])),
  },
  closed,
);
export type CreateVersion = Static<typeof CreateVersion>;

export const Deployed = Type.Object(
  {
    version: VersionRecord,
    /** Null: no alias was moved. */
    alias: Type.Union([AliasRecord, Type.Null()]),
    /** Zones whose store holds the code durably, in the residency set. */
    codeZones: Type.Array(Name),
    revision: Type.Integer(),
    /** Gateways that have the new route; `waiting` names those that were not reachable. */
    gateways: Type.Object(
      { ready: Type.Array(Type.String()), waiting: Type.Array(Type.String()) },
      closed,
    ),
  },
  closed,
);
export type Deployed = Static<typeof Deployed>;

export const FunctionView = Type.Object(
  {
    tenant: Name,
    name: Name,
    latestVersion: VersionNumber,
    aliases: Type.Record(Name, VersionNumber),
    manifest: FunctionManifest,
    codeDigest: Digest,
    updatedAtMs: Type.Integer(),
  },
  closed,
);
export type FunctionView = Static<typeof FunctionView>;

/** True: its calls may go where the versions before could not run. Else such a move is refused. */
const acceptWiderPlacement = Type.Optional(Type.Boolean());

/** Without `additionalVersions`, all calls go to `version`; with them, it takes what they leave, at least 1 %. */
export const MoveAlias = Type.Object(
  {
    version: VersionNumber,
    additionalVersions: Type.Optional(
      Type.Array(Type.Object(AdditionalVersion.properties, closed), { maxItems: 4 }),
    ),
    acceptWiderPlacement,
  },
  closed,
);
export type MoveAlias = Static<typeof MoveAlias>;

/** Moves the alias to the version step by step, zone after zone, and back by itself when it does worse. */
export const StartRollout = Type.Object(
  {
    version: VersionNumber,
    /** Growing, the last one 100. */
    stepPercents: Type.Optional(RolloutRecord.properties.stepPercents),
    stepMsMin: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 86_400_000 })),
    stepCallsMin: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    /** These first, in this order; the others follow. */
    zones: Type.Optional(Type.Array(Name, { minItems: 1, maxItems: 64, uniqueItems: true })),
    acceptWiderPlacement,
  },
  closed,
);
export type StartRollout = Static<typeof StartRollout>;

/** An environment variable cannot hold more, nor a NUL. */
export const SECRET_BYTES_MAX = 4_096;
export const PutSecret = Type.Object(
  { value: Type.String({ minLength: 1, maxLength: SECRET_BYTES_MAX }) },
  closed,
);

/** What there is to see of a secret; its value is for instances alone. */
export const SecretView = Type.Object(
  { name: Name, revision: VersionNumber, changedBy: Type.String(), changedAtMs: Type.Integer() },
  closed,
);
export type SecretView = Static<typeof SecretView>;

export const LogLine = Type.Object(
  {
    atMs: Type.Integer(),
    zone: Name,
    instance: Type.String(),
    requestId: Type.Union([Type.String(), Type.Null()]),
    version: VersionNumber,
    text: Type.String(),
  },
  closed,
);
export type LogLine = Static<typeof LogLine>;
export const LogPage = Type.Object(
  { items: Type.Array(LogLine), silentZones: Type.Array(Name) },
  closed,
);
export type LogPage = Static<typeof LogPage>;

export const QuotaView = Type.Object(
  {
    quotaCode: QuotaCode,
    value: Type.Integer(),
    /** Whether one limit for the federation, or one for each zone. */
    scope: Type.Union([Type.Literal("federation"), Type.Literal("zone")]),
    /** Share of each zone in percent, for limits that are divided. */
    zoneSharePercent: Type.Record(Name, Type.Number()),
  },
  closed,
);
export type QuotaView = Static<typeof QuotaView>;

export const CreateQuotaRequest = Type.Object(
  {
    quotaCode: QuotaCode,
    desiredValue: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    reason: Type.String({ minLength: 1, maxLength: 1_000 }),
  },
  closed,
);
export type CreateQuotaRequest = Static<typeof CreateQuotaRequest>;
export const DecideQuotaRequest = Type.Object(
  { reason: Type.Optional(Type.String({ maxLength: 1_000 })) },
  closed,
);
