import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { CodeStored, Deployed } from "#lib/contracts/api.ts";
import { FederationStatus } from "#lib/contracts/api-status.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import { fromProblem } from "#lib/problem.ts";
import { exchange } from "./http-exchange.ts";
import type { PackedFunction } from "./pack-function.ts";

const ANSWER_LIMIT_MS = 30_000;
/** Lists of tenants and of functions: what they are called is enough. */
const NameList = Type.Object({
  items: Type.Array(Type.Object({ name: Type.String() })),
  next: Type.Union([Type.String(), Type.Null()]),
});

/** The management API as a drill uses it. */
export interface ManagementClient {
  readonly deploy: (
    tenant: string,
    code: PackedFunction,
    manifest: FunctionManifest,
    signal: AbortSignal,
  ) => Promise<void>;
  /** A function that is not there is as good as deleted. */
  readonly remove: (tenant: string, functionName: string) => Promise<void>;
  /** Those that a dead zone can touch: a tenant without functions has no calls. */
  readonly tenantsWithFunctions: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly status: (timeoutMs: number, signal: AbortSignal) => Promise<FederationStatus>;
}

interface ApiCall {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly type?: string;
  readonly body?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export function managementClient(endpoint: string, apiKey: string): ManagementClient {
  const call = async ({ path, type, ...request }: ApiCall): Promise<string> => {
    const { status, text } = await exchange({
      timeoutMs: ANSWER_LIMIT_MS,
      ...request,
      url: `${endpoint}${path}`,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(type === undefined ? {} : { "content-type": type }),
      },
    });
    if (status < 400) return text;
    throw problemIn(text) ?? new Error(`${endpoint}${path} answered ${status}`);
  };
  const read = async <T extends TSchema>(schema: T, request: ApiCall): Promise<Static<T>> => {
    const document: unknown = JSON.parse(await call(request));
    if (Value.Check(schema, document)) return document;
    throw new Error(
      `${endpoint}${request.path} answered something this version does not understand`,
    );
  };

  return {
    deploy: async (tenant, { zip, digest }, manifest, signal) => {
      const { receipt } = await read(CodeStored, {
        method: "PUT",
        path: `/v1/tenants/${tenant}/code/${digest}`,
        type: "application/zip",
        body: zip,
        signal,
      });
      await read(Deployed, {
        method: "POST",
        path: `/v1/tenants/${tenant}/functions/${manifest.name}/versions`,
        type: "application/json",
        body: JSON.stringify({ codeDigest: digest, codeReceipt: receipt, manifest }),
        signal,
      });
    },
    remove: async (tenant, functionName) => {
      const path = `/v1/tenants/${tenant}/functions/${functionName}`;
      await call({ method: "DELETE", path }).catch((error: unknown) => {
        if (!(error instanceof MeridianError) || error.code !== "MERIDIAN_FUNCTION_NOT_FOUND")
          throw error;
      });
    },
    tenantsWithFunctions: async (signal) => {
      const names: string[] = [];
      let tenants = "/v1/tenants";
      for (;;) {
        const { items, next } = await read(NameList, { path: tenants, signal });
        for (const { name } of items) {
          const path = `/v1/tenants/${name}/functions`;
          if ((await read(NameList, { path, signal })).items.length > 0) names.push(name);
        }
        if (next === null) return names;
        tenants = `/v1/tenants?cursor=${encodeURIComponent(next)}`;
      }
    },
    status: (timeoutMs, signal) =>
      read(FederationStatus, { path: "/v1/status", timeoutMs, signal }),
  };
}

function problemIn(text: string): MeridianError | undefined {
  try {
    return fromProblem(JSON.parse(text));
  } catch {
    return undefined;
  }
}
