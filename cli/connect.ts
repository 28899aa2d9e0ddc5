import { Whoami } from "#lib/contracts/api.ts";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { type ApiClient, apiClient } from "./api-client.ts";
import { UsageError } from "./failures.ts";
import { credentialsFile, findState, readCredentials } from "./state-directory.ts";

/** What every command takes to find its federation; flags win over `MERIDIAN_*` variables. */
export interface ConnectionFlags {
  readonly endpoint?: string | undefined;
  readonly key?: string | undefined;
  readonly state?: string | undefined;
}

export interface TenantConnection {
  readonly client: ApiClient;
  readonly tenant: string;
}

const DEFAULT_TENANT = "demo";

export const functionPath = ({ tenant }: TenantConnection, functionName: string): string =>
  `/v1/tenants/${encodeURIComponent(tenant)}/functions/${encodeURIComponent(functionName)}`;

/** As a tenant: the one named, else the key's own, else `demo`. */
export async function connectAsTenant(
  flags: ConnectionFlags,
  named: string | undefined,
): Promise<TenantConnection> {
  if (flags.key !== undefined) {
    const client = apiClient(await findEndpoint(flags), flags.key);
    return { client, tenant: named ?? (await ownTenant(client)) };
  }
  const { endpoint, credentials, file } = await fromState(flags);
  const tenant = named ?? DEFAULT_TENANT;
  const apiKey = credentials.tenants[tenant]?.apiKey;
  if (apiKey === undefined)
    throw new UsageError(`${file} has no key of tenant "${tenant}": give one with --key`);
  return { client: apiClient(endpoint, apiKey), tenant };
}

/** As an operator. */
export async function connectAsOperator(flags: ConnectionFlags): Promise<ApiClient> {
  if (flags.key !== undefined) return apiClient(await findEndpoint(flags), flags.key);
  const { endpoint, credentials } = await fromState(flags);
  return apiClient(endpoint, credentials.operator.apiKey);
}

async function ownTenant(client: ApiClient): Promise<string> {
  const { tenant } = await client.json(Whoami, { path: "/v1/whoami" });
  if (tenant === null)
    throw new UsageError("this key belongs to no tenant: say which one is meant with --tenant");
  return tenant;
}

async function findEndpoint(flags: ConnectionFlags): Promise<string> {
  if (flags.endpoint !== undefined) return checkedEndpoint(flags.endpoint);
  return (await requireCredentials(flags)).credentials.endpoint;
}

/** Keys of the state folder go to the federation that wrote it, and to no other address. */
async function fromState(flags: ConnectionFlags): Promise<{
  readonly endpoint: string;
  readonly credentials: Credentials;
  readonly file: string;
}> {
  const { credentials, file } = await requireCredentials(flags);
  if (flags.endpoint === undefined) return { endpoint: credentials.endpoint, credentials, file };
  const endpoint = checkedEndpoint(flags.endpoint);
  const own = [
    credentials.endpoint,
    ...Object.values(credentials.zones).map((zone) => zone.gateway),
  ];
  if (!own.some((known) => new URL(known).host === new URL(endpoint).host))
    throw new UsageError(
      `${endpoint} is not the federation of ${file}, so its keys are not sent there: give the key with --key`,
    );
  return { endpoint, credentials, file };
}

async function requireCredentials(
  flags: ConnectionFlags,
): Promise<{ readonly credentials: Credentials; readonly file: string }> {
  const state = findState(flags.state);
  const file = credentialsFile(state);
  const credentials = await readCredentials(state);
  if (credentials !== undefined) return { credentials, file };
  throw new UsageError(
    `there is no ${file}: start a federation with "npm start" (or "meridian up"), name its state with --state, or give --endpoint and --key`,
  );
}

function checkedEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new UsageError(`--endpoint "${text}" is not an address such as http://127.0.0.1:8080`);
  return text.replace(/\/+$/, "");
}
