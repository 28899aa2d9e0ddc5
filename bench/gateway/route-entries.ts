import { Value } from "typebox/value";
import { hashApiKey } from "#lib/api-key.ts";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { RouteEntry } from "#lib/contracts/route-table.ts";
import type { Zone } from "#lib/contracts/zone.ts";

export const HOME: Zone = {
  name: "eu-west",
  region: "eu-west",
  jurisdiction: "eu",
  clusterId: "eu-west-1",
  latitudeDegrees: 53.3,
  longitudeDegrees: -6.3,
};
export const STANDBY: Zone = {
  name: "us-east",
  region: "us-east",
  jurisdiction: "us",
  clusterId: "us-east-1",
  latitudeDegrees: 38.9,
  longitudeDegrees: -77.4,
};
export const ZONES: readonly Zone[] = [HOME, STANDBY];

/** The largest there are, so that none is met. */
export const LIMITS = {
  "requests-per-second": 1_000_000,
  burst: 1_000_000,
  concurrency: 100_000,
} as const;

export const tenantName = (index: number): string => `tenant-${index}`;
export const functionName = (index: number): string => `function-${index}`;
export const tenantKey = (index: number): string => `mk_key_of_tenant_${index}`;

export interface BenchFunction {
  readonly tenant: string;
  readonly name: string;
  readonly isIdempotent: boolean;
  readonly concurrency?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly code?: { readonly digest: string; readonly bytes: number };
}

/** Tenants with a key and limits each, both clusters, and the functions. */
export function routeEntries(tenants: number, functions: readonly BenchFunction[]): RouteEntry[] {
  return [
    ...Array.from({ length: tenants }, (_, index) => tenantEntries(index)).flat(),
    ...ZONES.map(({ clusterId }): RouteEntry => ({
      kind: "cluster",
      clusterId,
      state: "up",
      weightPercent: 100,
    })),
    ...functions.map(functionEntry),
  ];
}

function tenantEntries(index: number): RouteEntry[] {
  const tenant = tenantName(index);
  const keyHash = hashApiKey(tenantKey(index));
  return [
    { kind: "tenant", tenant, limits: LIMITS },
    { kind: "key", keyHash, tenant, roles: ["tenant-admin"] },
  ];
}

function functionEntry({ tenant, name, isIdempotent, ...rest }: BenchFunction): RouteEntry {
  const manifest: unknown = Value.Default(FunctionManifest, {
    name,
    idempotent: isIdempotent,
    concurrency: rest.concurrency ?? 1,
    environment: rest.environment ?? {},
  });
  if (!Value.Check(FunctionManifest, manifest)) throw new Error(`${name} has no right manifest`);
  const codeDigest = rest.code?.digest ?? `sha256:${"0".repeat(64)}`;
  const codeBytes = rest.code?.bytes ?? 1;
  return {
    kind: "function",
    tenant,
    functionName: name,
    aliases: { live: 1 },
    versions: [{ version: 1, codeDigest, codeBytes, manifest }],
  };
}
