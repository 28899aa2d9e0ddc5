import type { Logger } from "pino";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { DEFAULT_LIMITS, type GrantRecord } from "#lib/contracts/quota-records.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { type GrantPlan, planGrants } from "../../core/quota/plan-grants.ts";
import type { Replica } from "../../ports.ts";
import { lostZones } from "../leading/lost-zones.ts";
import { lowerLeases } from "./lower-leases.ts";
import { BELIEF_MARGIN_MS, type Right, type RightsLedger } from "./rights.ts";
import { runLoop } from "../run-loop.ts";
import type { TypedRecords } from "../typed-records.ts";
import { grantWriter } from "./write-grant.ts";
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

/** Moves this zone's share of every tenant's rate toward its demand, and keeps the gateways' rights to what the catalog grants. */
export function balanceGrants(options: GrantsOptions): Grants {
  const { replica, records, rights, session, clock, log, zone, intervalMs } = options;
  const closing = new AbortController();
  const write = grantWriter(options.catalog, session, zone, log);
  const startedAtMs = clock.nowMs();
  const mayLower = (): boolean =>
    clock.nowMs() - startedAtMs >= options.sessionTtlMs + BELIEF_MARGIN_MS;
  const lowerings = lowerLeases(zone, replica, rights, write, mayLower);
  const lost = lostZones(replica, clock, options.zones, options.sessionTtlMs);
  let plannedAtMs = Number.NEGATIVE_INFINITY;

  /** The zone's rights as the catalog has them, less what is on its way down. */
  const publish = (): void => {
    rights.set(zoneRights(zone, records, lowerings.limitOf), replica.position().revision);
    options.pump();
  };

  const plan = async (signal: AbortSignal): Promise<void> => {
    const decide = planner(options, lost());
    let writes = 0;
    for (const grant of records.grants()) {
      const { tenant } = grant.value;
      if (writes >= WRITES_PER_TURN_MAX) return;
      if (lowerings.isSent(tenant)) continue;
      const planned = decide(grant.value);
      if (planned.kind === "lower") {
        lowerings.ask(tenant, planned.leaseMillionths);
        continue;
      }
      lowerings.drop(tenant);
      if (planned.kind === "keep") continue;
      writes += 1;
      await write(grant, planned.zones, signal);
    }
  };
  const turn = async (signal: AbortSignal): Promise<void> => {
    if (session.fence() === null) return;
    if (clock.nowMs() - plannedAtMs >= intervalMs) {
      plannedAtMs = clock.nowMs();
      await plan(signal);
    }
    publish();
    if (!lowerings.isAny()) return;
    for (const grant of records.grants()) await lowerings.finish(grant, signal);
    publish();
  };
  const loop = runLoop({ name: "grants", intervalMs, clock, log, signal: closing.signal }, turn);

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
  rights.onSettled(() => {
    if (lowerings.isAny()) loop.wake();
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

function zoneRights(
  zone: string,
  records: TypedRecords,
  limitOf: (tenant: string) => number | undefined,
): ReadonlyMap<string, Right> {
  return new Map(
    records.grants().map(({ value: { tenant, zones } }) => {
      const { floorMillionths = 0, leaseMillionths = 0 } = zones[zone] ?? {};
      const most = limitOf(tenant) ?? leaseMillionths;
      return [tenant, { floorMillionths, leaseMillionths: Math.min(leaseMillionths, most) }];
    }),
  );
}

/** The decision for each tenant, from one look at all zones' demand. */
function planner(
  { records, observations, zone }: GrantsOptions,
  lostNow: ReadonlySet<string>,
): (grant: GrantRecord) => GrantPlan {
  const demands = observations().map(
    ({ zone: where, demand }) =>
      [where, new Map(demand.map((one) => [one.tenant, one.requestsPerSecond]))] as const,
  );
  return ({ tenant, zones }) => {
    const { limits } = records.quota(tenant) ?? { limits: DEFAULT_LIMITS };
    return planGrants({
      zone,
      zones,
      limitPerSecond: limits["requests-per-second"],
      demandPerSecond: new Map(demands.map(([where, demand]) => [where, demand.get(tenant) ?? 0])),
      lostZones: lostNow,
    });
  };
}
