import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import { type FunctionState, versionOfKey } from "../core/plan-deploy.ts";
import { fetchRecord, fetchRecords, readAlias, readEach, readFunction } from "./read-records.ts";

/** The function as the catalog has it now. The three readings may lie apart; the compares of what is planned from them tell. */
export async function fetchFunctionState(
  catalog: Catalog,
  tenant: string,
  functionName: string,
): Promise<FunctionState> {
  const [record, aliases, versions] = await Promise.all([
    fetchRecord(catalog, keys.function(tenant, functionName)),
    fetchRecords(catalog, functionPrefix("aliases", tenant, functionName)),
    fetchRecords(catalog, functionPrefix("versions", tenant, functionName)),
  ]);
  return {
    record: readFunction(record),
    aliases: readEach(aliases, readAlias),
    versions: versions.map(({ key }) => versionOfKey(key, tenant, functionName)),
  };
}

export const noSuchFunction = (tenant: string, functionName: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `Tenant ${tenant} has no function ${JSON.stringify(functionName)}; deploy it, or list the functions there are.`,
  );
