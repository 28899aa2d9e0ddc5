import { type Static, Type } from "typebox";
import {
  AliasRecord,
  ChangeRecord,
  QuotaCode,
  QuotaRequestRecord,
  QuotaRequestState,
  Role,
  VersionRecord,
} from "./catalog-records.ts";
import { FunctionManifest } from "./function-manifest.ts";
import { Digest, Name, VersionNumber } from "./names.ts";
import { Position } from "./route-table.ts";

/** What an upload of code may have; every other body of the management API is far smaller. */
export const CODE_BYTES_MAX = 50 * 1024 * 1024;
export const API_BODY_BYTES_MAX = 1024 * 1024;

/*
 * The bodies of the management API, `/v1/…`, served by every federator and passed on by every gateway. Errors are
 * problem+json (`lib/problem.ts`). Another tenant's things answer 404. Lists are `{items, next}`; `next` is a cursor or null.
 *
 *   GET    /v1/whoami                                              Whoami
 *   GET    /v1/tenants                    POST {name}              operator; POST answers TenantCreated, 201
 *   PUT    /v1/tenants/T/code/DIGEST      application/zip          CodeStored, 201; verified, staged in this zone
 *   GET    /v1/tenants/T/functions                                 {items: FunctionView[]}
 *   GET    /v1/tenants/T/functions/F      DELETE                   FunctionView; DELETE 204 once every reachable gateway knows
 *   GET    /v1/tenants/T/functions/F/versions   POST CreateVersion {items: VersionRecord[]}; POST answers Deployed, 201
 *   GET    /v1/tenants/T/functions/F/aliases/A  PUT {version}      AliasRecord with ETag; If-Match honoured, 412
 *   GET    /v1/tenants/T/functions/F/logs?requestId=&sinceMs=&limit=   LogPage
 *   GET    /v1/tenants/T/quotas                                    {items: QuotaView[]}
 *   GET    /v1/tenants/T/quota-requests   POST CreateQuotaRequest  {items: QuotaRequestRecord[]}; POST 201
 *   GET    /v1/quota-requests[?state=]    GET /v1/quota-requests/ID    approver and operator: all; tenants: their own
 *   POST   /v1/quota-requests/ID:approve|:deny|:cancel   {reason?} QuotaRequestRecord
 *   GET    /v1/clusters                                            {items: ClusterView[]}
 *   GET    /v1/status                                              FederationStatus: fans out, names who did not answer
 *   GET    /v1/audit?tenant=&limit=                                {items: AuditEntry[], silentZones}, newest first; tenants see their own
 *   GET    /v1/route:explain?tenant=&function=&ip=&region=         RouteExplanation (answered by the gateway itself)
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

export const CodeStored = Type.Object(
  { digest: Digest, bytes: Type.Integer(), files: Type.Integer() },
  closed,
);
export type CodeStored = Static<typeof CodeStored>;

/** Makes the next version and points the alias `live` at it, in one revision. */
export const CreateVersion = Type.Object(
  { codeDigest: Digest, manifest: FunctionManifest },
  closed,
);
export type CreateVersion = Static<typeof CreateVersion>;

export const Deployed = Type.Object(
  {
    version: VersionRecord,
    alias: AliasRecord,
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

export const MoveAlias = Type.Object({ version: VersionNumber }, closed);

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
export { QuotaRequestRecord, QuotaRequestState };

export const ClusterView = Type.Object(
  {
    clusterId: Name,
    zone: Name,
    state: Type.Union([Type.Literal("up"), Type.Literal("down"), Type.Literal("unseen")]),
    weightPercent: Type.Integer(),
    evidence: Type.Array(Name),
    decidedAtMs: Type.Union([Type.Integer(), Type.Null()]),
  },
  closed,
);
export type ClusterView = Static<typeof ClusterView>;

export const ZoneStatus = Type.Object(
  {
    zone: Name,
    region: Name,
    clusterId: Name,
    /** Whether this zone's federator answered the fan-out. */
    isReachable: Type.Boolean(),
    cluster: Type.Union([ClusterView, Type.Null()]),
    position: Type.Union([Position, Type.Null()]),
    /** How long ago the zone's replica last heard from the catalog. */
    replicaAgeMs: Type.Union([Type.Number(), Type.Null()]),
    receivers: Type.Array(
      Type.Object(
        {
          receiver: Type.String(),
          position: Type.Union([Position, Type.Null()]),
          refused: Type.Union([Type.String(), Type.Null()]),
        },
        closed,
      ),
    ),
    instances: Type.Array(
      Type.Object(
        {
          tenant: Name,
          functionName: Name,
          version: VersionNumber,
          starting: Type.Integer(),
          idle: Type.Integer(),
          busy: Type.Integer(),
          queued: Type.Integer(),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type ZoneStatus = Static<typeof ZoneStatus>;

export const FederationStatus = Type.Object(
  {
    leader: Type.Union([Name, Type.Null()]),
    /** Why there can be no verdict, where there cannot: fewer than three zones have no witness. */
    witness: Type.Union([Type.Literal("present"), Type.Literal("none")]),
    catalog: Type.Union([Type.Literal("reachable"), Type.Literal("unreachable")]),
    zones: Type.Array(ZoneStatus),
    silentZones: Type.Array(Name),
  },
  closed,
);
export type FederationStatus = Static<typeof FederationStatus>;

/** An entry of the zone's hash chain: `hash` covers the entry and the hash before it. */
export const AuditEntry = Type.Object(
  {
    /** Whose chain it stands in: changes come from the chain of the zone that answers, refused attempts from all. */
    zone: Name,
    sequence: Type.Integer(),
    /** Null for refused attempts, which never reached the catalog. */
    revision: Type.Union([Type.Integer(), Type.Null()]),
    outcome: Type.Union([Type.Literal("done"), Type.Literal("refused")]),
    change: ChangeRecord,
    previousHash: Type.String(),
    hash: Type.String(),
  },
  closed,
);
export type AuditEntry = Static<typeof AuditEntry>;

/** Why a call from there would go where it goes; made by the code that decides. */
export const RouteExplanation = Type.Object(
  {
    tenant: Name,
    function: Name,
    alias: Name,
    version: VersionNumber,
    origin: Type.Object(
      {
        /** What decided where the caller is. */
        source: Type.Union([
          Type.Literal("explicit"),
          Type.Literal("edge-header"),
          Type.Literal("address"),
          Type.Literal("gateway-zone"),
        ]),
        value: Type.String(),
        latitudeDegrees: Type.Number(),
        longitudeDegrees: Type.Number(),
      },
      closed,
    ),
    candidates: Type.Array(
      Type.Object(
        {
          clusterId: Name,
          zone: Name,
          distanceKilometres: Type.Number(),
          /** `chosen`, `standby` (in order of preference), or the reason it is not a candidate. */
          decision: Type.Union([
            Type.Literal("chosen"),
            Type.Literal("standby"),
            Type.Literal("refused"),
          ]),
          reason: Type.String(),
        },
        closed,
      ),
    ),
    chosen: Type.Union([Name, Type.Null()]),
    position: Position,
    tableAgeMs: Type.Number(),
  },
  closed,
);
export type RouteExplanation = Static<typeof RouteExplanation>;
