import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord } from "#lib/contracts/catalog-records.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { permittedZones } from "#lib/residency.ts";
import type { ApiPorts } from "../api/api-context.ts";
import { readPlanInput } from "../read-records.ts";
import { checkIsolation } from "./check-deploy.ts";
import { fetchVersions } from "./function-state.ts";

/** MERIDIAN_ISOLATION_UNPROVED where no cluster that the placement permits has proved what the manifest asks for. */
export function refuseUnproved(
  { replica, zones }: Pick<ApiPorts, "replica" | "zones">,
  manifest: Pick<FunctionManifest, "minIsolation" | "network" | "placement">,
): void {
  const planInput = readPlanInput(replica.get(keys.planInput()))?.value;
  const permitted = permittedZones(manifest.placement.regions, zones);
  checkIsolation(manifest, permitted, planInput?.isolationLevels);
}

/** The same for an alias that is to lead to other versions; those that have calls already are not asked again. */
export async function refuseUnprovedMove(
  ports: Pick<ApiPorts, "catalog" | "replica" | "zones">,
  { tenant, functionName }: { readonly tenant: string; readonly functionName: string },
  before: AliasRecord | undefined,
  versions: readonly number[],
): Promise<void> {
  const had = [before, ...(before?.additionalVersions ?? [])].map((one) => one?.version);
  const added = versions.filter((version) => !had.includes(version));
  for (const { manifest } of await fetchVersions(ports.catalog, tenant, functionName, added))
    refuseUnproved(ports, manifest);
}
