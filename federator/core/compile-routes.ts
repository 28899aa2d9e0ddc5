import { keys } from "#lib/contracts/catalog-keys.ts";
import { DEFAULT_LIMITS } from "#lib/contracts/catalog-records.ts";
import type {
  ClusterRoute,
  FunctionRoute,
  KeyRoute,
  RouteEntry,
  RouteVersion,
  TenantRoute,
} from "#lib/contracts/route-table.ts";
import type { RecordReader } from "./record-reader.ts";

/**
 * The table of one position, in the order of its keys. It depends on the records and the configured clusters alone, so every
 * zone makes the same table of the same position.
 */
export function compileRoutes(
  catalogKeys: Iterable<string>,
  clusterIds: readonly string[],
  records: RecordReader,
): readonly RouteEntry[] {
  const wanted = new Set(clusterIds.map((clusterId) => `cluster/${clusterId}`));
  for (const key of catalogKeys)
    for (const entry of entriesTouchedBy(key, clusterIds)) wanted.add(entry);
  return [...wanted]
    .toSorted()
    .map((key) => compileEntry(key, records))
    .filter((entry) => entry !== undefined);
}

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
      return [`function/${first}/${second}`];
    case "verdicts":
      return clusterIds.filter((id) => id === first).map((id) => `cluster/${id}`);
    case keys.planInput():
      return clusterIds.map((id) => `cluster/${id}`);
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
    default:
      return undefined;
  }
}

/** Only versions that an alias points at: the rest cannot be called. */
function compileFunction(
  tenant: string,
  functionName: string,
  records: RecordReader,
): FunctionRoute | undefined {
  if (records.function(tenant, functionName) === undefined) return undefined;
  const aliases: Record<string, number> = {};
  const versions = new Map<number, RouteVersion>();
  for (const { alias, version } of records.aliases(tenant, functionName)) {
    const record = records.version(tenant, functionName, version);
    if (record === undefined) continue;
    aliases[alias] = version;
    const { codeDigest, codeBytes, manifest } = record;
    versions.set(version, { version, codeDigest, codeBytes, manifest });
  }
  if (versions.size === 0) return undefined;
  const inOrder = [...versions.values()].toSorted((one, other) => one.version - other.version);
  return { kind: "function", tenant, functionName, aliases, versions: inOrder };
}

function compileTenant(tenant: string, records: RecordReader): TenantRoute | undefined {
  if (records.tenant(tenant) === undefined) return undefined;
  return { kind: "tenant", tenant, limits: records.quota(tenant)?.limits ?? DEFAULT_LIMITS };
}

function compileKey(keyHash: string, records: RecordReader): KeyRoute | undefined {
  const record = records.apiKey(keyHash);
  return record && { kind: "key", keyHash, tenant: record.tenant, roles: record.roles };
}

function compileCluster(clusterId: string, records: RecordReader): ClusterRoute {
  const state = records.verdict(clusterId)?.state ?? "unseen";
  const rampPercent = records.planInput()?.rampPercent[clusterId] ?? 100;
  return { kind: "cluster", clusterId, state, weightPercent: state === "up" ? rampPercent : 0 };
}
