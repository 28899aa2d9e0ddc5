import { CodeStored, Deployed } from "#lib/contracts/api.ts";
import type { ApiClient } from "./api-client.ts";
import type { BundledFunction } from "./bundle/bundle-function.ts";

/** Sends code and manifest; the next version is live when this resolves. */
export async function deployCode(
  client: ApiClient,
  tenant: string,
  { manifest, zip, digest }: BundledFunction,
  signal?: AbortSignal,
): Promise<Deployed> {
  const bounded = signal === undefined ? {} : { signal };
  await client.json(CodeStored, {
    method: "PUT",
    path: `/v1/tenants/${tenant}/code/${digest}`,
    headers: { "content-type": "application/zip" },
    body: zip,
    ...bounded,
  });
  return client.json(Deployed, {
    method: "POST",
    path: `/v1/tenants/${tenant}/functions/${manifest.name}/versions`,
    json: { codeDigest: digest, manifest },
    ...bounded,
  });
}
