import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import {
  type AliasRecord,
  type RolloutRecord,
  type VersionRecord,
} from "#lib/contracts/catalog-records.ts";
import { DEFAULT_LIMITS } from "#lib/contracts/quota-records.ts";
import type {
  ClusterRoute,
  FunctionRoute,
  KeyRoute,
  PlanRoute,
  RouteEntry,
  RouteSplit,
  RouteVersion,
  TenantRoute,
} from "#lib/contracts/route-table.ts";
import type { RecordReader } from "../record-reader.ts";
import { stepName, zonePercents } from "../functions/rollout-steps.ts";

/**
 * The records that there must be for an entry to be in the table, by prefix. Entries depend on the records and the configured
 * clusters alone, so every zone makes the same table of the same position.
 */
export const ENTRY_PREFIXES = [prefixes.tenants, prefixes.apiKeys, prefixes.functions] as const;

/** Entries that do not hang on one record. */
export const fixedEntries = (clusterIds: readonly string[]): readonly string[] => [
  ...clusterIds.map((clusterId) => `cluster/${clusterId}`),
  "plan",
];

/** The keys of the table's entries that a record of the catalog has a part in. */
export function entriesTouchedBy(
  catalogKey: string,
  clusterIds: readonly string[],
): readonly string[] {
  const [kind, first, second] = catalogKey.split("/");
  switch (kind) {
    case "tenants":
    case "quotas":
      return [`tenant/${first}`];
    case "api-keys":
      return [`key/${first}`];
    case "functions":
    case "versions":
    case "aliases":
    case "rollouts":
      return [`function/${first}/${second}`];
    case "verdicts":
    case "clusters":
      return clusterIds.filter((id) => id === first).map((id) => `cluster/${id}`);
    case "shifts":
      return ["plan"];
    case keys.planInput():
      return ["plan", ...clusterIds.map((id) => `cluster/${id}`)];
    default:
      return [];
  }
}

/** The entry as the records have it; undefined when the table has none of that key. */
export function compileEntry(key: string, records: RecordReader): RouteEntry | undefined {
  const [kind, first = "", second = ""] = key.split("/");
  switch (kind) {
    case "function":
      return compileFunction(first, second, records);
    case "tenant":
      return compileTenant(first, records);
    case "key":
      return compileKey(first, records);
    case "cluster":
      return compileCluster(first, records);
    case "plan":
      return compilePlan(records);
    default:
      return undefined;
  }
}

/** A function that stays away from a cluster which was lost, until an operator releases it. */
export const fallsBackByHand = (entry: RouteEntry | undefined): boolean =>
  entry?.kind === "function" &&
  entry.versions.some(({ manifest }) => manifest.placement.failback === "manual");

/** Only versions that an alias or a running rollout points at, and what those fall back on: the rest cannot be called. */
function compileFunction(
  tenant: string,
  functionName: string,
  records: RecordReader,
): FunctionRoute | undefined {
  if (records.function(tenant, functionName) === undefined) return undefined;
  const aliases: Record<string, number> = {};
  const splits: Record<string, RouteSplit[]> = {};
  const versions = new Map<number, RouteVersion>();
  const add = (version: number): boolean => {
    const record = records.version(tenant, functionName, version);
    if (record !== undefined) versions.set(version, routeVersion(record));
    return record !== undefined;
  };
  const rollouts = records.rollouts(tenant, functionName);
  for (const record of records.aliases(tenant, functionName)) {
    if (!add(record.version)) continue;
    aliases[record.alias] = record.version;
    const shares = splitsOf(record, rollouts).filter(({ version }) => add(version));
    if (shares.length > 0) splits[record.alias] = shares;
  }
  const fallbacks = [...versions.values()].map(({ manifest }) => manifest.fallback?.version);
  for (const version of fallbacks) if (version !== undefined) add(version);
  if (versions.size === 0) return undefined;
  const inOrder = [...versions.values()].toSorted((one, other) => one.version - other.version);
  const isSplit = Object.keys(splits).length > 0;
  return {
    kind: "function",
    tenant,
    functionName,
    aliases,
    versions: inOrder,
    ...(isSplit && { splits }),
  };
}

function routeVersion(record: VersionRecord): RouteVersion {
  const { version, codeDigest, codeBytes, manifest, secretRevisions } = record;
  const its = { version, codeDigest, codeBytes, manifest };
  return secretRevisions === undefined ? its : { ...its, secretRevisions };
}

/** A running rollout's share for each zone, else the shares of the alias itself. */
function splitsOf(
  { alias, additionalVersions = [] }: AliasRecord,
  rollouts: readonly RolloutRecord[],
): readonly RouteSplit[] {
  const rollout = rollouts.find((one) => one.alias === alias && one.state === "running");
  if (rollout === undefined)
    return additionalVersions.map(({ version, percent }) => ({ version, percent }));
  return [
    {
      version: rollout.toVersion,
      percent: 0,
      zonePercent: zonePercents(rollout),
      rolloutId: rollout.id,
      step: stepName(rollout),
    },
  ];
}

function compileTenant(tenant: string, records: RecordReader): TenantRoute | undefined {
  const record = records.tenant(tenant);
  if (record === undefined) return undefined;
  const limits = records.quota(tenant)?.limits ?? DEFAULT_LIMITS;
  const isSuspended = record.suspendedAtMs === undefined ? {} : { isSuspended: true };
  const home = record.homeRegion === undefined ? {} : { homeRegion: record.homeRegion };
  return { kind: "tenant", tenant, limits, ...isSuspended, ...home };
}

function compileKey(keyHash: string, records: RecordReader): KeyRoute | undefined {
  const record = records.apiKey(keyHash);
  return record && { kind: "key", keyHash, tenant: record.tenant, roles: record.roles };
}

function compileCluster(clusterId: string, records: RecordReader): ClusterRoute {
  const state = records.verdict(clusterId)?.state ?? "unseen";
  const rampPercent = records.planInput()?.rampPercent[clusterId] ?? 100;
  const mode = records.cluster(clusterId)?.mode ?? "in-service";
  const isolationLevel = records.planInput()?.isolationLevels?.[clusterId];
  return {
    kind: "cluster",
    clusterId,
    state,
    weightPercent: state === "up" ? rampPercent : 0,
    ...(mode !== "in-service" && { mode }),
    ...(isolationLevel !== undefined && { isolationLevel }),
  };
}

/** Undefined while nothing is known of capacity, demand or shifts: every call goes to the nearest then. */
function compilePlan(records: RecordReader): PlanRoute | undefined {
  const { capacitySlots, demand, classDemand, awaitsFailback } = records.planInput() ?? {};
  const shifts = records.shifts().map(({ id, fromCluster, toCluster, percent }) => ({
    id,
    fromCluster,
    toCluster,
    percent,
  }));
  const facts = [capacitySlots, demand, classDemand, awaitsFailback, shifts];
  if (facts.every((fact) => fact === undefined || Object.keys(fact).length === 0)) return undefined;
  return {
    kind: "plan",
    capacitySlots: capacitySlots ?? {},
    demand: demand ?? {},
    ...(classDemand !== undefined && { classDemand }),
    awaitsFailback: awaitsFailback ?? [],
    shifts,
  };
}
