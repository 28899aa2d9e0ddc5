import { Value } from "typebox/value";
import { apiKeyPrefix, hashApiKey, newApiKey } from "#lib/api-key.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { FederationRecord, type Role, SCHEMA_VERSION } from "#lib/contracts/catalog-records.ts";
import { GrantRecord } from "#lib/contracts/quota-records.ts";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { evenGrants } from "#lib/divide-grants.ts";
import { MeridianError } from "#lib/errors.ts";
import { newKeyOperation, newTenantTransaction } from "#lib/new-tenant.ts";
import type { Catalog, CatalogRecord } from "#lib/ports/catalog.ts";

/** The tenants every federation on one machine starts with. */
const FIRST_TENANTS = ["demo", "acme"];
const OPERATOR_ROLES: readonly Role[] = ["operator", "approver", "drill-runner"];
const PAGE = 1_000;

export type ApiKeys = Pick<Credentials, "operator" | "tenants">;

/** The keys of the state folder, those that are missing made anew. */
export function completeKeys(known: ApiKeys | undefined): ApiKeys {
  const first = FIRST_TENANTS.map((tenant): [string, { apiKey: string }] => [
    tenant,
    known?.tenants[tenant] ?? { apiKey: newApiKey(tenant) },
  ]);
  return {
    operator: known?.operator ?? { apiKey: newApiKey("operator") },
    tenants: { ...known?.tenants, ...Object.fromEntries(first) },
  };
}

/** Makes the catalog know the keys and their tenants, and divides quotas among the zones there are now. Repeatable. */
export async function seedCatalog(
  catalog: Catalog,
  apiKeys: ApiKeys,
  zones: readonly string[],
  wallMs: number,
  signal: AbortSignal,
): Promise<void> {
  await refuseUnknown(catalog, signal);
  await addKey(catalog, apiKeys.operator.apiKey, null, OPERATOR_ROLES, wallMs, signal);
  for (const tenant of FIRST_TENANTS) {
    const apiKey = apiKeys.tenants[tenant]?.apiKey;
    if (apiKey === undefined) continue;
    const made = await catalog.txn(
      newTenantTransaction(tenant, storedKey(apiKey), zones, wallMs),
      signal,
    );
    if (made.kind === "conflict")
      await addKey(catalog, apiKey, tenant, ["tenant-admin"], wallMs, signal);
  }
  await divideAmong(catalog, zones, signal);
}

/** What this version would write, a newer one that has been at work here might not be able to read. */
async function refuseUnknown(catalog: Catalog, signal: AbortSignal): Promise<void> {
  const page = await catalog.range({ prefix: keys.federation(), limit: 1 }, signal);
  const record = page.kind === "page" ? page.records[0] : undefined;
  // An empty catalog gets its name from the federators.
  if (record?.key !== keys.federation()) return;
  const federation = parseJson(record.value);
  if (!Value.Check(FederationRecord, federation))
    throw new MeridianError(
      "MERIDIAN_CATALOG_FOREIGN",
      "The catalog's federation record is not one of Meridian's: somebody else writes there, or it is damaged; restore a backup, or name another state folder with --state.",
    );
  if (federation.schemaVersion > SCHEMA_VERSION)
    throw new MeridianError(
      "MERIDIAN_CATALOG_NEWER",
      `The catalog has schema ${federation.schemaVersion}, and this program knows ${SCHEMA_VERSION}: start it with the version that it was last started with, or a newer one.`,
    );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const storedKey = (apiKey: string) => ({
  keyHash: hashApiKey(apiKey),
  prefix: apiKeyPrefix(apiKey),
});

async function addKey(
  catalog: Catalog,
  apiKey: string,
  tenant: string | null,
  roles: readonly Role[],
  wallMs: number,
  signal: AbortSignal,
): Promise<void> {
  const key = storedKey(apiKey);
  await catalog.txn(
    {
      compares: [{ kind: "absent", key: keys.apiKey(key.keyHash) }],
      operations: [newKeyOperation(key, tenant, roles, wallMs)],
    },
    signal,
  );
}

/** A federation started with other zones than before divides evenly again; a zone that is gone must not keep a floor. */
async function divideAmong(
  catalog: Catalog,
  zones: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for await (const record of grantRecords(catalog, signal)) {
    const grant: unknown = JSON.parse(record.value);
    if (!Value.Check(GrantRecord, grant)) continue;
    const divided = Object.keys(grant.zones);
    if (divided.length === zones.length && zones.every((zone) => divided.includes(zone))) continue;
    await catalog.txn(
      {
        compares: [{ kind: "modified-at", key: record.key, revision: record.modRevision }],
        operations: [
          {
            kind: "put",
            key: record.key,
            value: JSON.stringify({ ...grant, ...evenGrants(grant.tenant, zones) }),
          },
        ],
      },
      signal,
    );
  }
}

async function* grantRecords(
  catalog: Catalog,
  signal: AbortSignal,
): AsyncGenerator<CatalogRecord, void, undefined> {
  let afterKey: string | undefined;
  for (;;) {
    const page = await catalog.range(
      { prefix: prefixes.grants, limit: PAGE, ...(afterKey === undefined ? {} : { afterKey }) },
      signal,
    );
    if (page.kind === "compacted") return;
    yield* page.records;
    afterKey = page.records.at(-1)?.key;
    if (!page.more || afterKey === undefined) return;
  }
}
