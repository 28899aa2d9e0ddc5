import { changedKey } from "#lib/catalog/history.ts";
import { functionPrefix, keys } from "#lib/contracts/catalog-keys.ts";
import type { FunctionRoute } from "#lib/contracts/route-table.ts";
import type { Change } from "#lib/ports/catalog.ts";
import { readAlias } from "../../../federator/io/read-records.ts";
import type { CatalogTruth } from "../world/catalog-truth.ts";
import type { Invariant } from "./check.ts";

/** In the history itself, and in each table against the history at the table's position. */
export const referencesExist: Invariant = {
  name: "4 alias, version and function exist together, and a delete never resurrects",
  start: ({ world, broken }) => ({
    always: (event) => {
      if (event.kind === "revision")
        for (const family of familiesOf(event.revision.changes)) {
          const fault = faultOf(event.truth, family, event.revision.revision);
          if (fault !== undefined) broken(`revision ${event.revision.revision}: ${fault}`);
        }
      if (event.kind !== "table") return;
      const { position, entries } = event.table;
      const truth = world.catalog.truth(position.incarnation);
      if (truth === undefined) return;
      for (const key of entries.keys()) {
        if (!key.startsWith("function/")) continue;
        const entry = entries.get(key);
        if (entry?.kind !== "function") continue;
        const fault = routeFault(truth, entry, position.revision);
        if (fault !== undefined)
          broken(`${event.zone}'s table at ${position.revision}, ${key}: ${fault}`);
      }
    },
  }),
};

interface Family {
  readonly tenant: string;
  readonly functionName: string;
}

function familiesOf(changes: readonly Change[]): readonly Family[] {
  const families = new Map<string, Family>();
  for (const change of changes) {
    const [kind = "", tenant = "", functionName = ""] = changedKey(change).split("/");
    if (["functions", "versions", "aliases"].includes(kind))
      families.set(`${tenant}/${functionName}`, { tenant, functionName });
  }
  return [...families.values()];
}

function faultOf(
  truth: CatalogTruth,
  { tenant, functionName }: Family,
  revision: number,
): string | undefined {
  const hasFunction = truth.recordAt(keys.function(tenant, functionName), revision) !== undefined;
  for (const kind of ["aliases", "versions"] as const)
    for (const record of truth.recordsOf(functionPrefix(kind, tenant, functionName), revision)) {
      if (!hasFunction) return `${record.key} stands without its function`;
      const alias = kind === "aliases" ? readAlias(record)?.value : undefined;
      if (alias === undefined) continue;
      const versionKey = keys.version(tenant, functionName, alias.version);
      if (truth.recordAt(versionKey, revision) === undefined)
        return `${record.key} points at version ${alias.version}, which is not there`;
    }
  return undefined;
}

function routeFault(
  truth: CatalogTruth,
  { tenant, functionName, aliases, versions }: FunctionRoute,
  revision: number,
): string | undefined {
  if (truth.recordAt(keys.function(tenant, functionName), revision) === undefined)
    return "the catalog has no such function";
  for (const [alias, version] of Object.entries(aliases)) {
    if (versions.every((one) => one.version !== version))
      return `${alias} has no version ${version}`;
    const record = readAlias(truth.recordAt(keys.alias(tenant, functionName, alias), revision));
    if (record?.value.version !== version)
      return `${alias} is ${version}, and ${record?.value.version ?? "absent"} in the catalog`;
  }
  return undefined;
}
