import type { AliasRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { isWider } from "../../core/functions/keep-placement.ts";
import type { ApiPorts } from "../api/api-context.ts";
import { fetchVersions } from "./function-state.ts";

export interface AliasMove {
  readonly before: AliasRecord | undefined;
  /** The versions that are to have its calls. */
  readonly versions: readonly number[];
  readonly acceptWiderPlacement: boolean | undefined;
}

/** A move back to a version from before a placement would let calls out again: MERIDIAN_CONFLICT unless that is said to be meant. */
export async function refuseWider(
  { catalog, zones }: Pick<ApiPorts, "catalog" | "zones">,
  { before, versions, acceptWiderPlacement }: AliasMove,
): Promise<void> {
  if (before === undefined || acceptWiderPlacement === true) return;
  const { tenant, functionName, version, additionalVersions = [] } = before;
  const fetchEach = (numbers: readonly number[]) =>
    fetchVersions(catalog, tenant, functionName, numbers);
  const [had, has] = await Promise.all([
    fetchEach([version, ...additionalVersions.map((one) => one.version)]),
    fetchEach(versions),
  ]);
  const residencies = had.map(placementOf);
  const wider = has.filter((one) => isWider([placementOf(one)], residencies, zones));
  if (wider.length === 0) return;
  const told = [...wider.map((one) => mayRun(one, "")), ...had.map((one) => mayRun(one, "only "))];
  throw new MeridianError(
    "MERIDIAN_CONFLICT",
    `Calls would leave the regions they may be in now: ${told.join(", ")}. If they may, send acceptWiderPlacement (--anywhere); else deploy that code again, which keeps the placement.`,
  );
}

const placementOf = ({ manifest }: VersionRecord): VersionRecord["manifest"]["placement"] =>
  manifest.placement;

/** `version 3 may run anywhere`, `version 6 only in eu`. */
function mayRun({ version, manifest }: VersionRecord, only: "" | "only "): string {
  const { regions } = manifest.placement;
  const where = regions.length === 0 ? "anywhere" : `in ${regions.join(", ")}`;
  return `version ${version} ${only === "" ? "may run " : only}${where}`;
}
