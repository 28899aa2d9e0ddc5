import { functionPrefix, keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { versionOfKey } from "../../core/functions/function-state.ts";
import type { Replica } from "../../ports.ts";
import { readFormerFunction, readFunction, readSecretName } from "../read-records.ts";

/*
 * Numbers are never used twice, as programs keep what they know by its number. A restored catalog may have forgotten some; this zone's
 * replica shows those that it kept.
 */

/** The highest number of a version of the function that this zone has heard of; 0 for none. */
export function lastKnownVersion(
  replica: Pick<Replica, "get" | "list">,
  tenant: string,
  functionName: string,
): number {
  const record = readFunction(replica.get(keys.function(tenant, functionName)));
  const former = readFormerFunction(replica.get(keys.formerFunction(tenant, functionName)));
  const versions = replica.list(functionPrefix("versions", tenant, functionName));
  return Math.max(
    record?.value.latestVersion ?? 0,
    former?.value.latestVersion ?? 0,
    ...versions.map(({ key }) => versionOfKey(key, tenant, functionName)),
  );
}

/** The same of the revisions of a secret. */
export function lastKnownRevision(
  replica: Pick<Replica, "get" | "list">,
  tenant: string,
  name: string,
): number {
  const record = readSecretName(replica.get(keys.secretName(tenant, name)));
  const prefix = `${prefixes.secrets}${tenant}/${name}/`;
  const revisions = replica.list(prefix).map(({ key }) => Number(key.slice(prefix.length)));
  return Math.max(record?.value.latestRevision ?? 0, ...revisions);
}
