import type { ClusterSight, GatewayState, TenantAllowance } from "#lib/contracts/gateway-state.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ClusterRooms } from "../core/cluster-rooms.ts";
import type { FunctionCircuits } from "../core/function-circuits.ts";
import { findCluster } from "../core/look-up.ts";
import type { RetryBudgets } from "../core/retry-budget.ts";
import type { TenantAllowanceNow, TenantLimits } from "../core/tenant-limits.ts";
import type { Routing } from "../ports.ts";
import type { GatewayCounts } from "./gateway-metrics.ts";
import type { ClusterLinks } from "./probe-clusters.ts";

export interface StateSources {
  readonly zone: string;
  readonly zones: readonly Zone[];
  readonly bootId: string;
  readonly clock: Clock;
  readonly routing: Routing;
  readonly links: ClusterLinks;
  readonly rooms: ClusterRooms;
  readonly circuits: FunctionCircuits;
  readonly budget: RetryBudgets;
  readonly limits: TenantLimits;
  readonly counts: () => GatewayCounts;
  readonly notReady: () => string | null;
}

const TENANTS_MAX = 1_000;

/** What the gateway thinks, put together when somebody asks. */
export function gatewayState(sources: StateSources): () => GatewayState {
  const { zone, zones, bootId, clock, routing } = sources;
  const startedAtMs = clock.nowMs();
  return () => {
    const nowMs = clock.nowMs();
    const tenants = sources.limits.state(nowMs).toSorted((one, other) => byUse(one, other));
    const confirmedAgeMs = routing.confirmedAgeMs();
    return {
      zone,
      pid: process.pid,
      bootId,
      uptimeMs: Math.round(nowMs - startedAtMs),
      notReady: sources.notReady(),
      table: {
        position: routing.table()?.position ?? null,
        ageMs: Math.round(routing.ageMs()),
        confirmedAgeMs: Number.isFinite(confirmedAgeMs) ? Math.round(confirmedAgeMs) : null,
      },
      clusters: zones.map((one) => clusterSight(one, sources)),
      retryBudget: sources.budget.state(nowMs),
      circuits: sources.circuits.count(nowMs),
      tenants: tenants.slice(0, TENANTS_MAX).map(describeTenant),
      tenantsLeftOut: Math.max(0, tenants.length - TENANTS_MAX),
      counts: sources.counts(),
    };
  };
}

function clusterSight({ clusterId, name }: Zone, sources: StateSources): ClusterSight {
  const { routing, links, rooms } = sources;
  const entries = routing.table()?.entries;
  const route = entries === undefined ? undefined : findCluster(entries, clusterId);
  const { pings, roundTripMs } = links.health(clusterId);
  const { missesInARow, breaker, link } = links.state(clusterId);
  return {
    clusterId,
    zone: name,
    state: route?.state ?? "unseen",
    mode: route?.mode ?? "in-service",
    weightPercent: route?.weightPercent ?? 0,
    isOverlaid: routing.isOverlaid(clusterId),
    pings: {
      view: pings,
      missesInARow,
      roundTripMs: roundTripMs === undefined ? null : rounded(roundTripMs),
    },
    breaker,
    link,
    ...rooms.state(clusterId),
  };
}

const describeTenant = (allowance: TenantAllowanceNow): TenantAllowance => ({
  ...allowance,
  leaseLeftMs: Math.round(allowance.leaseLeftMs),
  tokens: rounded(allowance.tokens),
  limits: allowance.limits ?? null,
});

/** Those that call now, then those that have the least left. */
const byUse = (one: TenantAllowanceNow, other: TenantAllowanceNow): number =>
  other.inFlight - one.inFlight || one.tokens - other.tokens;

const rounded = (value: number): number => Math.round(value * 10) / 10;
