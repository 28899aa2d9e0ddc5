import type { Logger } from "pino";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { GrantRecord } from "#lib/contracts/catalog-records.ts";
import { DEFAULT_LIMITS } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Catalog, Compare } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { planGrants, withLease } from "../core/plan-grants.ts";
import { absent, type Held, modifiedAt, put } from "../core/transactions.ts";
import type { Replica } from "../ports.ts";
import { lostZones } from "./lost-zones.ts";
import type { Right, RightsLedger } from "./rights.ts";
import { runLoop } from "./run-loop.ts";
import type { TypedRecords } from "./typed-records.ts";
import type { ZoneSession } from "./zone-session.ts";

/** More tenants than this wait for the next turn, so that a turn stays far below the catalog's writes per second. */
const WRITES_PER_TURN_MAX = 50;

export interface GrantsOptions {
  readonly catalog: Catalog;
  readonly replica: Replica;
  readonly records: TypedRecords;
  readonly rights: RightsLedger;
  readonly session: ZoneSession;
  readonly observations: () => readonly Observation[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly zone: string;
  readonly zones: readonly string[];
  readonly sessionTtlMs: number;
  readonly intervalMs: number;
  /** The rights changed: the gateways must hear it. */
  readonly pump: () => void;
}

export interface Grants {
  readonly close: () => Promise<void>;
}

/** A lease on its way down: first the gateways, then the catalog. */
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

/** Moves this zone's share of every tenant's rate toward its demand, and keeps the gateways' rights to what the catalog grants. */
export function balanceGrants(options: GrantsOptions): Grants {
  const { catalog, replica, records, rights, session, clock, log, zone } = options;
  const closing = new AbortController();
  const lowerings = new Map<string, Lowering>();
  const lost = lostZones(replica, clock, options.zones, options.sessionTtlMs);
  let plannedAtMs = Number.NEGATIVE_INFINITY;

  /** The zone's rights as the catalog has them, less what is on its way down. */
  const publish = (): void => {
    const zoneRights = new Map<string, Right>();
    for (const { value } of records.grants()) {
      const { floorMillionths = 0, leaseMillionths = 0 } = value.zones[zone] ?? {};
      const limit = lowerings.get(value.tenant)?.leaseMillionths ?? leaseMillionths;
      zoneRights.set(value.tenant, {
        floorMillionths,
        leaseMillionths: Math.min(leaseMillionths, limit),
      });
    }
    rights.set(zoneRights);
    options.pump();
  };

  const write = async (
    grant: Held<GrantRecord>,
    zones: GrantRecord["zones"],
    signal: AbortSignal,
  ): Promise<number> => {
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
    const value: GrantRecord = { tenant, zones };
    const result = await catalog.txn({ compares, operations: [put(key, value)] }, signal);
    if (result.kind === "committed") log.info({ tenant, zones, reclaimed }, "grants moved");
    return result.revision;
  };

  const finishLowering = async (
    grant: Held<GrantRecord>,
    lowering: Lowering,
    signal: AbortSignal,
  ): Promise<void> => {
    const { tenant, zones } = grant.value;
    const { leaseMillionths, state } = lowering;
    if (state.kind === "answered") {
      if (replica.position().revision >= state.revision) lowerings.delete(tenant);
      return;
    }
    if (rights.leaseHeld(tenant) > leaseMillionths) return;
    lowerings.set(tenant, { leaseMillionths, state: { kind: "sent" } });
    const next = withLease(zones, zone, leaseMillionths);
    const revision = await write(grant, next, signal).catch((error: unknown) => {
      const isCertain =
        error instanceof MeridianError && error.code === "MERIDIAN_CATALOG_UNAVAILABLE";
      if (isCertain) lowerings.set(tenant, lowering);
      throw error;
    });
    lowerings.set(tenant, { leaseMillionths, state: { kind: "answered", revision } });
  };

  const plan = async (signal: AbortSignal): Promise<void> => {
    const observations = options.observations();
    const lostNow = lost();
    let writes = 0;
    for (const grant of records.grants()) {
      const { tenant, zones } = grant.value;
      const lowering = lowerings.get(tenant);
      if (writes >= WRITES_PER_TURN_MAX || (lowering && lowering.state.kind !== "asked")) continue;
      const { limits } = records.quota(tenant) ?? { limits: DEFAULT_LIMITS };
      const planned = planGrants({
        zone,
        zones,
        limitPerSecond: limits["requests-per-second"],
        demandPerSecond: demandOf(tenant, observations),
        lostZones: lostNow,
      });
      if (planned.kind === "lower") {
        const { leaseMillionths } = planned;
        lowerings.set(tenant, { leaseMillionths, state: { kind: "asked" } });
        continue;
      }
      lowerings.delete(tenant);
      if (planned.kind === "keep") continue;
      writes += 1;
      await write(grant, planned.zones, signal);
    }
  };

  const turn = async (signal: AbortSignal): Promise<void> => {
    if (session.fence() === null) return;
    if (clock.nowMs() - plannedAtMs >= options.intervalMs) {
      plannedAtMs = clock.nowMs();
      await plan(signal);
    }
    publish();
    for (const grant of records.grants()) {
      const lowering = lowerings.get(grant.value.tenant);
      if (lowering !== undefined) await finishLowering(grant, lowering, signal);
    }
    publish();
  };

  const stopListening = replica.onApplied(({ changes, isSnapshot }) => {
    const touched = changes.map((change) =>
      change.kind === "put" ? change.record.key : change.key,
    );
    // From here on the leases count, with this session: the gateways must hear how long.
    const isOwnSession = touched.includes(keys.zoneSession(zone));
    if (isOwnSession) rights.renewed();
    if (isSnapshot || isOwnSession || touched.some((key) => key.startsWith(prefixes.grants)))
      publish();
  });
  const loop = runLoop(
    {
      name: "grants",
      intervalMs: options.intervalMs,
      clock,
      log,
      signal: closing.signal,
    },
    turn,
  );
  rights.onSettled(() => {
    if (lowerings.size > 0) loop.wake();
  });
  publish();
  return {
    close: async () => {
      closing.abort(new Error("grants were closed"));
      stopListening();
      await loop.ended;
    },
  };
}

function demandOf(
  tenant: string,
  observations: readonly Observation[],
): ReadonlyMap<string, number> {
  return new Map(
    observations.map(({ zone, demand }) => [
      zone,
      demand.find((one) => one.tenant === tenant)?.requestsPerSecond ?? 0,
    ]),
  );
}
