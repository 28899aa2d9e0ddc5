import { type Static, Type } from "typebox";
import { ApiKeyRecord } from "./catalog-records.ts";
import { QuotaRecord } from "./quota-records.ts";
import {
  ClassDemand,
  ClusterRecord,
  DEMAND_CLASSES_MAX,
  TierDemand,
  VerdictState,
} from "./control-records.ts";
import { extensible } from "./extensible.ts";
import { StoredManifest } from "./function-manifest.ts";
import { IsolationLevel } from "./isolation.ts";
import { Digest, Name, VersionNumber } from "./names.ts";

/** A position in the catalog's history; comparable only within one incarnation. */
export const Position = Type.Object(
  { incarnation: Type.String(), revision: Type.Integer({ minimum: 0 }) },
  extensible,
);
export type Position = Static<typeof Position>;

/** One version that an alias points at, with all an agent or gateway needs to run it. */
export const RouteVersion = Type.Object(
  {
    version: VersionNumber,
    codeDigest: Digest,
    codeBytes: Type.Integer(),
    manifest: StoredManifest,
    /** As the version's record has it: which revision of each secret the instance gets. */
    secretRevisions: Type.Optional(Type.Record(Name, VersionNumber)),
  },
  extensible,
);
export type RouteVersion = Static<typeof RouteVersion>;

/** A further version behind an alias: its share of the calls, everywhere or in the zones that are named. */
export const RouteSplit = Type.Object(
  {
    version: VersionNumber,
    percent: Type.Integer({ minimum: 0, maximum: 100 }),
    zonePercent: Type.Optional(Type.Record(Name, Type.Integer({ minimum: 0, maximum: 100 }))),
    /** Set while a rollout runs: the gateways count this version's calls and those of an equal-size control. */
    rolloutId: Type.Optional(Type.String()),
    /** Which step of the rollout that is; a count belongs to one step. */
    step: Type.Optional(Type.String({ maxLength: 32 })),
  },
  extensible,
);
export type RouteSplit = Static<typeof RouteSplit>;

export const FunctionRoute = Type.Object(
  {
    kind: Type.Literal("function"),
    tenant: Name,
    functionName: Name,
    /** Alias → version number; every number stands in `versions`. */
    aliases: Type.Record(Name, VersionNumber),
    versions: Type.Array(RouteVersion),
    /** Aliases with more than one version behind them; the one in `aliases` takes what these leave. */
    splits: Type.Optional(Type.Record(Name, Type.Array(RouteSplit))),
  },
  extensible,
);
export type FunctionRoute = Static<typeof FunctionRoute>;

export const TenantRoute = Type.Object(
  {
    kind: Type.Literal("tenant"),
    tenant: Name,
    limits: QuotaRecord.properties.limits,
    /** True: its calls are refused. */
    isSuspended: Type.Optional(Type.Boolean()),
    /** Its callers are served as if they were there; absent: where they are. */
    homeRegion: Type.Optional(Name),
  },
  extensible,
);
export type TenantRoute = Static<typeof TenantRoute>;

export const KeyRoute = Type.Object(
  {
    kind: Type.Literal("key"),
    keyHash: ApiKeyRecord.properties.keyHash,
    tenant: ApiKeyRecord.properties.tenant,
    roles: ApiKeyRecord.properties.roles,
  },
  extensible,
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
    /** An operator's word; absent: in service. Neither of the others takes new calls. */
    mode: Type.Optional(ClusterRecord.properties.mode),
    /** What it has proved of its instances; absent: nothing. */
    isolationLevel: Type.Optional(IsolationLevel),
  },
  extensible,
);
export type ClusterRoute = Static<typeof ClusterRoute>;

/**
 * What the shares of the clusters are worked out from, by one pure function (`lib/plan/`) in every gateway and federator: with it,
 * a gateway also knows the shares for the loss of any one cluster without asking.
 */
export const PlanRoute = Type.Object(
  {
    kind: Type.Literal("plan"),
    capacitySlots: Type.Record(Name, Type.Integer({ minimum: 0 })),
    demand: Type.Record(Name, TierDemand),
    /** Of functions with a placement; `demand` is that of all others. */
    classDemand: Type.Optional(Type.Array(ClassDemand, { maxItems: DEMAND_CLASSES_MAX })),
    awaitsFailback: Type.Array(Name),
    shifts: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          fromCluster: Name,
          toCluster: Type.Union([Name, Type.Null()]),
          percent: Type.Integer({ minimum: 1, maximum: 100 }),
        },
        extensible,
      ),
    ),
  },
  extensible,
);
export type PlanRoute = Static<typeof PlanRoute>;

/** One entry of the table; `entryKey` names it in deltas. */
export const RouteEntry = Type.Union([
  FunctionRoute,
  TenantRoute,
  KeyRoute,
  ClusterRoute,
  PlanRoute,
]);
export type RouteEntry = Static<typeof RouteEntry>;

/** Entries that take traffic away or give it back: never held back. */
export const isUrgentKey = (key: string): boolean => key === "plan" || key.startsWith("cluster/");

/** Entries that say who may call: what takes something away there is not held back either. */
export const isCallerKey = (key: string): boolean =>
  key.startsWith("tenant/") || key.startsWith("key/");

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
    case "plan":
      return "plan";
  }
}
