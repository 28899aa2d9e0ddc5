import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import type { FunctionRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";
import { type FunctionState, versionOfKey } from "../../core/functions/function-state.ts";
import type { Held } from "../../core/transactions.ts";
import {
  fetchRecord,
  fetchRecords,
  readAlias,
  readEach,
  readFormerFunction,
  readFunction,
  readRollout,
  readVersion,
  valuesOf,
} from "../read-records.ts";

/**
 * The function as the catalog has it now. The readings may lie apart, and the compares of what is planned from them tell: whatever
 * comes to a function or goes from it also rewrites the function's record. So that is read first, or what came between an early
 * reading of the aliases and a late one of the record would never be missed.
 */
export async function fetchFunctionState(
  catalog: Catalog,
  tenant: string,
  functionName: string,
): Promise<FunctionState> {
  const record = await fetchRecord(catalog, keys.function(tenant, functionName));
  const [former, aliases, rollouts, versions] = await Promise.all([
    fetchRecord(catalog, keys.formerFunction(tenant, functionName)),
    fetchRecords(catalog, functionPrefix("aliases", tenant, functionName)),
    fetchRecords(catalog, functionPrefix("rollouts", tenant, functionName)),
    fetchRecords(catalog, functionPrefix("versions", tenant, functionName)),
  ]);
  return {
    record: readFunction(record),
    former: readFormerFunction(former),
    aliases: readEach(aliases, readAlias),
    rollouts: readEach(rollouts, readRollout),
    versions: versions.map(({ key }) => versionOfKey(key, tenant, functionName)),
    fallbackOf: fallbacksOf(versions),
  };
}

function fallbacksOf(versions: readonly CatalogRecord[]): ReadonlyMap<number, readonly number[]> {
  const fallbackOf = new Map<number, number[]>();
  for (const { version, manifest } of valuesOf(versions, readVersion)) {
    const fallback = manifest.fallback?.version;
    if (fallback !== undefined)
      fallbackOf.set(fallback, [...(fallbackOf.get(fallback) ?? []), version]);
  }
  return fallbackOf;
}

/** Those of the versions that are there. */
export async function fetchVersions(
  catalog: Catalog,
  tenant: string,
  functionName: string,
  versions: readonly number[],
): Promise<readonly VersionRecord[]> {
  const found = await Promise.all(
    versions.map(async (version) =>
      readVersion(await fetchRecord(catalog, keys.version(tenant, functionName, version))),
    ),
  );
  return found.flatMap((held) => (held === undefined ? [] : [held.value]));
}

/** The same of a function that is there; MERIDIAN_FUNCTION_NOT_FOUND for one that is not. */
export async function fetchStandingFunction(
  catalog: Catalog,
  tenant: string,
  functionName: string,
): Promise<FunctionState & { readonly record: Held<FunctionRecord> }> {
  const state = await fetchFunctionState(catalog, tenant, functionName);
  const { record } = state;
  if (record === undefined) throw noSuchFunction(tenant, functionName);
  return { ...state, record };
}

export const noSuchFunction = (tenant: string, functionName: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `Tenant ${tenant} has no function ${JSON.stringify(functionName)}; deploy it, or list the functions there are.`,
  );
