/** Bodies that were not there with their head and are not whole yet: what they hold, over all tenants and for each. */
export interface HeldBodies {
  readonly of: (tenant: string) => {
    readonly enter: (giveWay: () => void) => HeldBytes;
  };
  readonly bytes: () => number;
}

interface HeldBytes {
  readonly add: (bytes: number) => void;
  readonly leave: () => void;
}

export interface HeldBodiesLimits {
  readonly bytesMax: number;
  /** Of one tenant, so that its callers crowd out their own alone. */
  readonly tenantBytesMax: number;
}

interface Held {
  bytes: number;
  readonly giveWay: () => void;
}

interface TenantBodies {
  bytes: number;
  /** The one that came first is first. */
  readonly bodies: Set<Held>;
}

/**
 * Holds back nobody: a body that finds the room full takes that of the one that has been coming longest, of its own tenant, or of
 * the tenant that holds most. So what is sent quickly passes, and what only wants to be held does not last.
 */
export function createHeldBodies({ bytesMax, tenantBytesMax }: HeldBodiesLimits): HeldBodies {
  const tenants = new Map<string, TenantBodies>();
  let bytesHeld = 0;

  const remove = (tenant: string, held: Held): void => {
    const its = tenants.get(tenant);
    if (its?.bodies.delete(held) !== true) return;
    its.bytes -= held.bytes;
    bytesHeld -= held.bytes;
    if (its.bodies.size === 0) tenants.delete(tenant);
  };
  const giveWay = (tenant: string): void => {
    const [first] = tenants.get(tenant)?.bodies ?? [];
    if (first === undefined) return;
    remove(tenant, first);
    first.giveWay();
  };
  const isFull = (): boolean => bytesHeld > bytesMax;
  const largest = (): string => {
    let found = "";
    let mostBytes = -1;
    for (const [tenant, { bytes }] of tenants)
      if (bytes > mostBytes) [found, mostBytes] = [tenant, bytes];
    return found;
  };

  return {
    bytes: () => bytesHeld,
    of: (tenant) => ({
      enter: (onGiveWay) => {
        const held: Held = { bytes: 0, giveWay: onGiveWay };
        const its = tenants.get(tenant) ?? { bytes: 0, bodies: new Set<Held>() };
        tenants.set(tenant, its);
        its.bodies.add(held);
        return {
          add: (bytes) => {
            if (!its.bodies.has(held)) return;
            held.bytes += bytes;
            its.bytes += bytes;
            bytesHeld += bytes;
            while (its.bytes > tenantBytesMax) giveWay(tenant);
            while (isFull()) giveWay(largest());
          },
          leave: () => remove(tenant, held),
        };
      },
    }),
  };
}
