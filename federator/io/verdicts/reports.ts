import {
  type AgentReport,
  type GatewayReport,
  type Observation,
  type RolloutArm,
  VERSION_CALLS_MAX,
  type VersionCalls,
  type ZoneReport,
} from "#lib/contracts/zone-report.ts";
import { sumDemand, totalDemand } from "#lib/plan/sum-demand.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { armLedger } from "../../core/functions/sum-arms.ts";

/** Reports come each second; one this old says nothing about now. */
const REPORT_MAX_AGE_MS = 5_000;
const DEMAND_MAX_AGE_MS = 3_000;
/** More reporters than a zone can have; a flood of names evicts the oldest. */
const REPORTERS_MAX = 1_000;

/** The newest report of everything that runs in the zone; in memory only. */
export interface Reports {
  readonly receive: (report: ZoneReport) => void;
  readonly agent: (clusterId: string) => AgentReport | undefined;
  /** Requests per second offered to the zone's gateways, by tenant. */
  readonly demand: () => ReadonlyMap<string, number>;
  /** What the plan is made from: what the zone's cluster can serve and has proved, and the calls in flight in all gateways of the zone. */
  readonly load: () => Pick<
    Observation,
    "capacitySlots" | "isolationLevel" | "inFlight" | "classDemand" | "versionCalls"
  >;
  /** What the gateways of the zone have counted of rollouts, all together. */
  readonly arms: () => readonly RolloutArm[];
}

export function keepReports(clock: Clock): Reports {
  const agents = new Map<string, Received<AgentReport>>();
  const gateways = new Map<string, Received<GatewayReport>>();
  const arms = armLedger();
  return {
    arms: arms.sums,
    receive: (report) => {
      const atMs = clock.nowMs();
      if (report.program === "agent") {
        remember(agents, report.clusterId, { report, atMs });
        return;
      }
      remember(gateways, report.receiver, { report, atMs });
      arms.receive(report.receiver, report.bootId ?? "", report.arms ?? []);
    },
    agent: (clusterId) => {
      const found = agents.get(clusterId);
      return found && clock.nowMs() - found.atMs <= REPORT_MAX_AGE_MS ? found.report : undefined;
    },
    demand: () => {
      const total = new Map<string, number>();
      for (const { report, atMs } of gateways.values()) {
        if (clock.nowMs() - atMs > DEMAND_MAX_AGE_MS) continue;
        for (const { tenant, requestsPerSecond } of report.demand)
          total.set(tenant, (total.get(tenant) ?? 0) + requestsPerSecond);
      }
      return total;
    },
    load: () => {
      const sinceMs = clock.nowMs() - DEMAND_MAX_AGE_MS;
      const fresh = [...gateways.values()].filter(({ atMs }) => atMs >= sinceMs);
      const classDemand = [...sumDemand(fresh.flatMap(({ report }) => report.classDemand ?? []))];
      const freshAgents = [...agents.values()].filter(({ atMs }) => atMs >= sinceMs);
      const versionCalls = busiest(freshAgents.map(({ report }) => report));
      const capacities = freshAgents.map(
        ({ report }) => report.capacitySlots ?? report.instancesMax,
      );
      const [isolation] = freshAgents.flatMap(({ report }) => report.isolation ?? []);
      return {
        // Of a zone whose agent is silent nothing is known, which is not the same as no capacity.
        ...(capacities.length > 0 && { capacitySlots: capacities.reduce((a, b) => a + b) }),
        inFlight: totalDemand(classDemand),
        classDemand,
        ...(versionCalls.length > 0 && { versionCalls }),
        ...(isolation !== undefined && { isolationLevel: isolation.level }),
      };
    },
  };
}

const busiest = (reports: readonly AgentReport[]): VersionCalls[] =>
  reports
    .flatMap(({ functions }) => functions)
    .map(({ tenant, functionName, version, busy, queued }) => ({
      tenant,
      functionName,
      version,
      calls: busy + queued,
    }))
    .filter(({ calls }) => calls > 0)
    .toSorted((one, other) => other.calls - one.calls)
    .slice(0, VERSION_CALLS_MAX);

interface Received<T> {
  readonly report: T;
  readonly atMs: number;
}

function remember<T>(reports: Map<string, Received<T>>, name: string, received: Received<T>): void {
  reports.delete(name);
  reports.set(name, received);
  const oldest = reports.keys().next().value;
  if (reports.size > REPORTERS_MAX && oldest !== undefined) reports.delete(oldest);
}
