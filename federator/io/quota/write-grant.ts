import type { Logger } from "pino";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { GrantRecord } from "#lib/contracts/quota-records.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import { absent, type Held, modifiedAt, put } from "../../core/transactions.ts";
import type { ZoneSession } from "./zone-session.ts";

/** Resolves to a revision that shows whether it was written: that of the write, or one at which another's write stood. */
export type WriteGrant = (
  grant: Held<GrantRecord>,
  zones: GrantRecord["zones"],
  signal: AbortSignal,
) => Promise<number>;

/**
 * Compare-and-set of one tenant's division, by this zone's living session. Zones whose lease it takes must have no session at
 * that very revision.
 */
export const grantWriter =
  (catalog: Catalog, session: ZoneSession, zone: string, log: Logger): WriteGrant =>
  async (grant, zones, signal) => {
    const { tenant } = grant.value;
    const key = keys.grant(tenant);
    const own = session.fence();
    if (own === null)
      throw new MeridianError(
        "MERIDIAN_CATALOG_UNAVAILABLE",
        "This zone's session is not certain; its grants stay as they are.",
      );
    const reclaimed = Object.keys(zones).filter(
      (name) =>
        name !== zone && zones[name]?.leaseMillionths !== grant.value.zones[name]?.leaseMillionths,
    );
    const compares: Compare[] = [
      own,
      modifiedAt(key, grant),
      ...reclaimed.map((name) => absent(keys.zoneSession(name))),
    ];
    const value: GrantRecord = { ...grant.value, zones };
    const result = await catalog.txn({ compares, operations: [put(key, value)] }, signal);
    if (result.kind === "committed") log.info({ tenant, zones, reclaimed }, "grants moved");
    return result.revision;
  };
