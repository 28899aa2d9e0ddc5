import type { InstanceState } from "./instance-lifecycle.ts";

export interface RoomLimits {
  /** Of the cluster. */
  readonly instancesMax: number;
  /** Starts that run side by side; more of them only make each other slow. */
  readonly startsMax: number;
}

/**
 * How many instances may be started now for a tenant. Its idle ones run no call: they cost place in the cluster but nothing of
 * the tenant's concurrency.
 */
export function instanceRoom(
  instances: readonly { readonly tenant: string; readonly state: InstanceState }[],
  tenant: string,
  concurrencyMax: number,
  limits: RoomLimits,
): number {
  let starting = 0;
  let ofTenant = 0;
  for (const { state, tenant: owner } of instances) {
    if (state.kind === "starting") starting += 1;
    if (owner === tenant && (state.kind === "starting" || state.kind === "busy")) ofTenant += 1;
  }
  return Math.max(
    0,
    Math.min(
      limits.instancesMax - instances.length,
      limits.startsMax - starting,
      concurrencyMax - ofTenant,
    ),
  );
}
