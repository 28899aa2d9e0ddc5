import { type ApiKeyRecord, type Role, type TenantRecord } from "#lib/contracts/catalog-records.ts";
import { DEFAULT_LIMITS, type QuotaRecord } from "#lib/contracts/quota-records.ts";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { evenGrants } from "#lib/divide-grants.ts";
import type { Operation, Transaction } from "#lib/ports/catalog.ts";

export interface NewKey {
  readonly keyHash: string;
  readonly prefix: string;
}

/** The transaction that makes a tenant: its record, its first key, its limits and their even division among the zones. */
export function newTenantTransaction(
  name: string,
  key: NewKey,
  zones: readonly string[],
  wallMs: number,
): Transaction {
  const tenant: TenantRecord = { name, createdAtMs: wallMs };
  const quota: QuotaRecord = { tenant: name, limits: DEFAULT_LIMITS };
  return {
    compares: [{ kind: "absent", key: keys.tenant(name) }],
    operations: [
      put(keys.tenant(name), tenant),
      newKeyOperation(key, name, ["tenant-admin"], wallMs),
      put(keys.quota(name), quota),
      put(keys.grant(name), evenGrants(name, zones)),
    ],
  };
}

/** A key of the operators belongs to no tenant. */
export function newKeyOperation(
  key: NewKey,
  tenant: string | null,
  roles: readonly Role[],
  wallMs: number,
): Operation {
  const record: ApiKeyRecord = {
    keyHash: key.keyHash,
    prefix: key.prefix,
    tenant,
    roles: [...roles],
    createdAtMs: wallMs,
  };
  return put(keys.apiKey(key.keyHash), record);
}

const put = (key: string, record: unknown): Operation => ({
  kind: "put",
  key,
  value: JSON.stringify(record),
});
