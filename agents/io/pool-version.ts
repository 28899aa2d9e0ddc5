import type { RouteVersion } from "#lib/contracts/route-table.ts";

/** One version of a function, as a pool of instances serves it. */
export interface PoolVersion {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: RouteVersion;
}
