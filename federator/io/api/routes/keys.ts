import { Type } from "typebox";
import { apiKeyPrefix, hashApiKey, newApiKey } from "#lib/api-key.ts";
import { CreateKey, Enforced, KeyCreated, KeyView } from "#lib/contracts/api.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { ApiKeyRecord } from "#lib/contracts/catalog-records.ts";
import { Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { newKeyOperation } from "#lib/new-tenant.ts";
import { absent, modifiedAt, remove } from "../../../core/transactions.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { guardCount } from "../guard-count.ts";
import { fetchRecord, readApiKey } from "../../read-records.ts";
import { JSON_BODY_BYTES_MAX, TenantPath } from "./schemas.ts";

/** More than a tenant has use for; each is an entry of every gateway's table. */
const KEYS_MAX = 100;
/** Of the 64 digits of the hash: enough to tell a tenant's keys apart. */
const ID_DIGITS = 16;

const KeyPath = Type.Object(
  { tenant: Name, id: KeyView.properties.id },
  { additionalProperties: false },
);

/** A tenant's API keys: made, seen but for their text, and revoked. */
export function keyRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, clock } = ports;

  api.get(
    "/v1/tenants/:tenant/keys",
    {
      config: { action: "keys.read" },
      schema: {
        params: TenantPath,
        response: {
          200: Type.Object({ items: Type.Array(KeyView) }, { additionalProperties: false }),
        },
      },
    },
    async (request) => ({ items: keysOf(ports, request.params.tenant).map(viewKey) }),
  );

  api.post(
    "/v1/tenants/:tenant/keys",
    {
      config: { action: "keys.create" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: TenantPath, body: CreateKey, response: { 201: KeyCreated } },
    },
    async (request, reply): Promise<KeyCreated> => {
      const { tenant } = request.params;
      const { roles = ["tenant-admin"] } = request.body;
      const apiKey = newApiKey(tenant);
      const keyHash = hashApiKey(apiKey);
      const prefix = apiKeyPrefix(apiKey);
      const createdAtMs = clock.wallMs();
      const subject = `keys/${idOf(keyHash)}`;
      const detail = { keyPrefix: prefix, roles: roles.join(" ") };
      const { revision } = await commitChange(ports, async () => {
        const guard = await guardCount(ports, tenant);
        if (keysOf(ports, tenant).length >= KEYS_MAX) throw tooManyKeys(tenant);
        const key = newKeyOperation({ keyHash, prefix }, tenant, roles, createdAtMs);
        return {
          transaction: {
            compares: [...guard.compares, absent(keys.apiKey(keyHash))],
            operations: [...guard.operations, key],
          },
          change: changeBy(request, "keys.create", tenant, subject, createdAtMs, detail),
          outcome: undefined,
        };
      });
      await untilEnforced(ports, revision);
      reply.code(201);
      return { key: viewKey({ keyHash, prefix, tenant, roles, createdAtMs }), apiKey };
    },
  );

  api.delete(
    "/v1/tenants/:tenant/keys/:id",
    {
      config: { action: "keys.revoke" },
      schema: { params: KeyPath, response: { 200: Enforced } },
    },
    async (request): Promise<Enforced> => {
      const { tenant, id } = request.params;
      const { revision } = await commitChange(ports, async () => {
        const known = keysOf(ports, tenant).find(({ keyHash }) => idOf(keyHash) === id);
        const key = known && keys.apiKey(known.keyHash);
        const held = key === undefined ? undefined : readApiKey(await fetchRecord(catalog, key));
        if (key === undefined || held === undefined)
          throw new MeridianError(
            "MERIDIAN_NOT_FOUND",
            `The tenant ${tenant} has no key ${id}; list its keys and take the id of one.`,
          );
        return {
          transaction: { compares: [modifiedAt(key, held)], operations: [remove(key)] },
          change: changeBy(request, "keys.revoke", tenant, `keys/${id}`, clock.wallMs(), {
            keyPrefix: held.value.prefix,
          }),
          outcome: undefined,
        };
      });
      return untilEnforced(ports, revision, "withdrawal");
    },
  );
}

const tooManyKeys = (tenant: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CONFLICT",
    `The tenant ${tenant} has ${KEYS_MAX} keys, which is the limit; revoke one of them.`,
  );

/** One by one through all keys there are: they are found by their hash, and this is rare. */
function keysOf({ replica }: Pick<ApiPorts, "replica">, tenant: string): ApiKeyRecord[] {
  const found: ApiKeyRecord[] = [];
  for (const record of replica.scan(prefixes.apiKeys)) {
    const key = readApiKey(record)?.value;
    if (key?.tenant === tenant) found.push(key);
  }
  return found.toSorted((one, other) => one.createdAtMs - other.createdAtMs);
}

const idOf = (keyHash: string): string => keyHash.slice(0, ID_DIGITS);

const viewKey = ({ keyHash, prefix, roles, createdAtMs }: ApiKeyRecord): KeyView => ({
  id: idOf(keyHash),
  prefix,
  roles,
  createdAtMs,
});
