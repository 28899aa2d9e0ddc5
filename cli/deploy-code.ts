import { CodeStored, Deployed, PLACEMENT_FROM_HEADER } from "#lib/contracts/api.ts";
import type { ApiClient } from "./api-client.ts";
import type { BundledFunction } from "./bundle/bundle-function.ts";

export interface DeployTarget {
  readonly tenant: string;
  /** Which alias shall point at the version: `live` if absent, none if null. */
  readonly alias?: string | null | undefined;
}

export interface DeployAnswer {
  readonly deployed: Deployed;
  /** The version whose regions the new one kept, since none were said; undefined where there was none. */
  readonly regionsFrom: string | undefined;
}

/** Sends code and manifest; the next version is there, and the alias points at it, when this resolves. */
export async function deployCode(
  client: ApiClient,
  { tenant, alias }: DeployTarget,
  { manifest, zip, digest }: BundledFunction,
  signal?: AbortSignal,
): Promise<DeployAnswer> {
  const bounded = signal === undefined ? {} : { signal };
  const { receipt } = await client.json(CodeStored, {
    method: "PUT",
    path: `/v1/tenants/${tenant}/code/${digest}`,
    headers: { "content-type": "application/zip" },
    body: zip,
    ...bounded,
  });
  const { document, headers } = await client.jsonWithHeaders(Deployed, {
    method: "POST",
    path: `/v1/tenants/${tenant}/functions/${manifest.name}/versions`,
    json: {
      codeDigest: digest,
      codeReceipt: receipt,
      manifest,
      ...(alias !== undefined && { alias }),
    },
    ...bounded,
  });
  const from = headers[PLACEMENT_FROM_HEADER];
  return { deployed: document, regionsFrom: typeof from === "string" ? from : undefined };
}
