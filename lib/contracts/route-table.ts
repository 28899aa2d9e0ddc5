import { type Static, Type } from "typebox";
import { ApiKeyRecord, QuotaRecord, VerdictState } from "./catalog-records.ts";
import { FunctionManifest } from "./function-manifest.ts";
import { Digest, Name, VersionNumber } from "./names.ts";

const closed = { additionalProperties: false } as const;

/** A position in the catalog's history; comparable only within one incarnation. */
export const Position = Type.Object(
  { incarnation: Type.String(), revision: Type.Integer({ minimum: 0 }) },
  closed,
);
export type Position = Static<typeof Position>;

/** One version that an alias points at, with all an agent or gateway needs to run it. */
export const RouteVersion = Type.Object(
  {
    version: VersionNumber,
    codeDigest: Digest,
    codeBytes: Type.Integer(),
    manifest: FunctionManifest,
  },
  closed,
);
export type RouteVersion = Static<typeof RouteVersion>;

export const FunctionRoute = Type.Object(
  {
    kind: Type.Literal("function"),
    tenant: Name,
    functionName: Name,
    /** Alias → version number; every number stands in `versions`. */
    aliases: Type.Record(Name, VersionNumber),
    versions: Type.Array(RouteVersion),
  },
  closed,
);
export type FunctionRoute = Static<typeof FunctionRoute>;

export const TenantRoute = Type.Object(
  { kind: Type.Literal("tenant"), tenant: Name, limits: QuotaRecord.properties.limits },
  closed,
);
export type TenantRoute = Static<typeof TenantRoute>;

export const KeyRoute = Type.Object(
  {
    kind: Type.Literal("key"),
    keyHash: ApiKeyRecord.properties.keyHash,
    tenant: ApiKeyRecord.properties.tenant,
    roles: ApiKeyRecord.properties.roles,
  },
  closed,
);
export type KeyRoute = Static<typeof KeyRoute>;

export const ClusterRoute = Type.Object(
  {
    kind: Type.Literal("cluster"),
    clusterId: Name,
    /** `unseen` clusters are not candidates: no zone has reached them yet. */
    state: Type.Union([VerdictState, Type.Literal("unseen")]),
    /** Share of its normal weight, 0 to 100: below 100 while it ramps up after a return. */
    weightPercent: Type.Integer({ minimum: 0, maximum: 100 }),
  },
  closed,
);
export type ClusterRoute = Static<typeof ClusterRoute>;

/** One entry of the table; `entryKey` names it in deltas. */
export const RouteEntry = Type.Union([FunctionRoute, TenantRoute, KeyRoute, ClusterRoute]);
export type RouteEntry = Static<typeof RouteEntry>;

export function entryKey(entry: RouteEntry): string {
  switch (entry.kind) {
    case "function":
      return `function/${entry.tenant}/${entry.functionName}`;
    case "tenant":
      return `tenant/${entry.tenant}`;
    case "key":
      return `key/${entry.keyHash}`;
    case "cluster":
      return `cluster/${entry.clusterId}`;
  }
}
