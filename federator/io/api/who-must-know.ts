import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord } from "#lib/contracts/catalog-records.ts";
import { permittedZones } from "#lib/residency.ts";
import type { ApiPorts } from "./api-context.ts";
import { fetchRecord, readVersion } from "../read-records.ts";

/**
 * Before a move of an alias is answered: `everybody`, agents too, where its calls may no longer run in a zone in which they could run
 * before; else the gateways are enough. An alias that was not there before could not be called.
 */
export async function whoMustKnow(
  { catalog, zones }: Pick<ApiPorts, "catalog" | "zones">,
  before: AliasRecord | undefined,
  after: AliasRecord | null,
): Promise<"gateways" | "everybody"> {
  if (before === undefined || after === null) return "gateways";
  const zonesOf = async (alias: AliasRecord): Promise<ReadonlySet<string>> => {
    const { tenant, functionName, version, additionalVersions = [] } = alias;
    const permitted = await Promise.all(
      [version, ...additionalVersions.map((one) => one.version)].map(async (number) => {
        const key = keys.version(tenant, functionName, number);
        const regions = readVersion(await fetchRecord(catalog, key))?.value.manifest.placement
          .regions;
        return regions === undefined ? [] : permittedZones(regions, zones);
      }),
    );
    return new Set(permitted.flat().map(({ name }) => name));
  };
  const [had, has] = await Promise.all([zonesOf(before), zonesOf(after)]);
  return had.isSubsetOf(has) ? "gateways" : "everybody";
}
