import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { SecretRecord } from "#lib/contracts/catalog-records.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import type { SecretState, SecretUses } from "../../core/functions/plan-secret.ts";
import type { ApiPorts } from "../api/api-context.ts";
import { fetchRecord, readEach, readSecret, readSecretName, readVersion } from "../read-records.ts";
import { catchUp } from "../api/guard-count.ts";
import { scanRecords } from "../api/scan-records.ts";

/** The newest revision of each secret that the manifest names; MERIDIAN_SECRET_UNKNOWN for one that the tenant does not have. */
export async function newestSecrets(
  ports: Pick<ApiPorts, "catalog" | "keyEncryption">,
  tenant: string,
  manifest: Pick<FunctionManifest, "secrets">,
): Promise<readonly SecretRecord[]> {
  const names = [...new Set(Object.values(manifest.secrets ?? {}))];
  if (names.length === 0) return [];
  requireKey(ports);
  return Promise.all(
    names.map(async (name) => {
      const held = readSecretName(await fetchRecord(ports.catalog, keys.secretName(tenant, name)));
      if (held === undefined || held.value.isRemoved) throw unknownSecret(tenant, name);
      return fetchRevision(ports, tenant, name, held.value.latestRevision);
    }),
  );
}

/** Those very revisions, as a version has them. */
export function secretsOfVersion(
  ports: Pick<ApiPorts, "catalog">,
  tenant: string,
  secretRevisions: Readonly<Record<string, number>> = {},
): Promise<readonly SecretRecord[]> {
  return Promise.all(
    Object.entries(secretRevisions).map(([name, revision]) =>
      fetchRevision(ports, tenant, name, revision),
    ),
  );
}

async function fetchRevision(
  { catalog }: Pick<ApiPorts, "catalog">,
  tenant: string,
  name: string,
  revision: number,
): Promise<SecretRecord> {
  const held = readSecret(await fetchRecord(catalog, keys.secret(tenant, name, revision)));
  if (held === undefined) throw unknownSecret(tenant, name);
  return held.value;
}

const unknownSecret = (tenant: string, name: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_SECRET_UNKNOWN",
    `The tenant ${tenant} has no secret ${name}; make it with PUT /v1/tenants/${tenant}/secrets/${name}, or \`meridian secret set ${name}\`.`,
  );

/** The key encryption, or MERIDIAN_SECRETS_OFF. */
export function requireKey({
  keyEncryption,
}: Pick<ApiPorts, "keyEncryption">): NonNullable<ApiPorts["keyEncryption"]> {
  if (keyEncryption !== undefined) return keyEncryption;
  throw new MeridianError(
    "MERIDIAN_SECRETS_OFF",
    "The federators have no key-encryption key, so that nothing secret can be kept here; an operator names its file as keyEncryptionKeyFile.",
  );
}

/** A secret as the catalog has it now, and the revision at which that was read. */
export async function fetchSecretState(
  { catalog }: Pick<ApiPorts, "catalog">,
  tenant: string,
  name: string,
): Promise<SecretState & { readonly readAt: number }> {
  const nameRecord = await fetchRecord(catalog, keys.secretName(tenant, name));
  const page = await catalog.range({ prefix: `${prefixes.secrets}${tenant}/${name}/`, limit: 100 });
  if (page.kind === "compacted") throw new Error("the newest revision cannot be compacted");
  return {
    name: readSecretName(nameRecord),
    revisions: readEach(page.records, readSecret),
    readAt: page.revision,
  };
}

/**
 * Which versions need which revision of the secret. Looks through the tenant's versions, once this replica is as new as the reading
 * that is to be changed; what comes after that reading writes the secret's record again, and so is noticed by the compares.
 */
export async function findSecretUses(
  { replica, clock }: Pick<ApiPorts, "replica" | "clock">,
  tenant: string,
  name: string,
  readAt: number,
): Promise<SecretUses> {
  await catchUp({ replica, clock }, readAt);
  const uses = new Map<number, string[]>();
  const prefix = `${prefixes.versions}${tenant}/`;
  for await (const record of scanRecords({ replica, clock }, prefix, JSON.stringify(name))) {
    const version = readVersion(record)?.value;
    const revision = version?.secretRevisions?.[name];
    if (version === undefined || revision === undefined) continue;
    const users = uses.get(revision) ?? [];
    users.push(`version ${version.version} of ${version.functionName}`);
    uses.set(revision, users);
  }
  return uses;
}
