import type {
  ClusterRoute,
  FunctionRoute,
  KeyRoute,
  TenantRoute,
} from "#lib/contracts/route-table.ts";
import type { RouteEntries } from "#lib/route-table-state.ts";

export function findFunction(
  entries: RouteEntries,
  tenant: string,
  functionName: string,
): FunctionRoute | undefined {
  const entry = entries.get(`function/${tenant}/${functionName}`);
  return entry?.kind === "function" ? entry : undefined;
}

export function findTenant(entries: RouteEntries, tenant: string): TenantRoute | undefined {
  const entry = entries.get(`tenant/${tenant}`);
  return entry?.kind === "tenant" ? entry : undefined;
}

export function findKey(entries: RouteEntries, keyHash: string): KeyRoute | undefined {
  const entry = entries.get(`key/${keyHash}`);
  return entry?.kind === "key" ? entry : undefined;
}

export function findCluster(entries: RouteEntries, clusterId: string): ClusterRoute | undefined {
  const entry = entries.get(`cluster/${clusterId}`);
  return entry?.kind === "cluster" ? entry : undefined;
}
