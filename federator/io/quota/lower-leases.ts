import type { GrantRecord } from "#lib/contracts/quota-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { withLease } from "../../core/quota/plan-grants.ts";
import type { Held } from "../../core/transactions.ts";
import type { Replica } from "../../ports.ts";
import type { RightsLedger } from "./rights.ts";
import type { WriteGrant } from "./write-grant.ts";

interface Lowering {
  readonly leaseMillionths: number;
  /**
   * `asked`: the gateways are told. `sent`: the catalog may have it. `answered`: over, one way or the other, once the replica has
   * this revision; not before, because an older record would give the gateways back what others may hold by then.
   */
  readonly state:
    | { readonly kind: "asked" }
    | { readonly kind: "sent" }
    | { readonly kind: "answered"; readonly revision: number };
}

/** Leases on their way down: first the gateways, then the catalog. */
export interface Lowerings {
  readonly isAny: () => boolean;
  /** What the gateways may have of the tenant's lease at most; undefined while nothing is on its way down. */
  readonly limitOf: (tenant: string) => number | undefined;
  /** Whether the catalog may have it already, so that there is no way back before its answer. */
  readonly isSent: (tenant: string) => boolean;
  readonly ask: (tenant: string, leaseMillionths: number) => void;
  readonly drop: (tenant: string) => void;
  /** Goes on with the tenant's, as far as it can now. */
  readonly finish: (grant: Held<GrantRecord>, signal: AbortSignal) => Promise<void>;
}

export function lowerLeases(
  zone: string,
  replica: Pick<Replica, "position">,
  rights: RightsLedger,
  write: WriteGrant,
  /** False while gateways may hold what an earlier process of this zone told them, of which this one knows nothing. */
  mayLower: () => boolean,
): Lowerings {
  const lowerings = new Map<string, Lowering>();
  return {
    isAny: () => lowerings.size > 0,
    limitOf: (tenant) => lowerings.get(tenant)?.leaseMillionths,
    isSent: (tenant) => (lowerings.get(tenant)?.state.kind ?? "asked") !== "asked",
    ask: (tenant, leaseMillionths) =>
      lowerings.set(tenant, { leaseMillionths, state: { kind: "asked" } }),
    drop: (tenant) => lowerings.delete(tenant),
    finish: async (grant, signal) => {
      const { tenant, zones } = grant.value;
      const lowering = lowerings.get(tenant);
      if (lowering === undefined) return;
      const { leaseMillionths, state } = lowering;
      if (state.kind === "answered") {
        if (replica.position().revision >= state.revision) lowerings.delete(tenant);
        return;
      }
      if ((zones[zone]?.leaseMillionths ?? 0) <= leaseMillionths) {
        // The others took it back while this zone had no session: writing now would raise it.
        lowerings.delete(tenant);
        return;
      }
      if (!mayLower() || rights.leaseHeld(tenant) > leaseMillionths) return;
      lowerings.set(tenant, { leaseMillionths, state: { kind: "sent" } });
      try {
        const revision = await write(grant, withLease(zones, zone, leaseMillionths), signal);
        lowerings.set(tenant, { leaseMillionths, state: { kind: "answered", revision } });
      } catch (error) {
        // This code says that nothing happened; after any other the catalog may have it.
        const nothingHappened =
          error instanceof MeridianError && error.code === "MERIDIAN_CATALOG_UNAVAILABLE";
        if (nothingHappened) lowerings.set(tenant, lowering);
        throw error;
      }
    },
  };
}
