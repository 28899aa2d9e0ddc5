import type { Zone } from "#lib/contracts/zone.ts";
import { ANYWHERE } from "#lib/plan/placement-class.ts";
import type { Reports } from "../../../federator/io/verdicts/reports.ts";
import type { Host } from "../engine/host.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";
import type { SimulatedAgent } from "./agent-process.ts";
import { TENANTS } from "./tenants.ts";

const REPORT_EACH_MS = 1_000;
/** Demand stays as it is for a while, and then is something else. */
const CHANGE_SHARE = 0.05;
const DEMAND_MAX_PER_SECOND = 900;

/** How long a call takes; it tells how many are in flight. */
const CALL_SECONDS = 0.04;
const CAPACITY_SLOTS = 40;

/** What gateway and agent of the zone tell the federator: demand that moves quota grants about, and what the plan is made from. */
export function startReports({
  host,
  zone,
  agent,
  random,
  reports,
}: {
  readonly host: Host;
  readonly zone: Zone;
  readonly agent: SimulatedAgent;
  readonly random: SeededRandom;
  readonly reports: Reports;
}): void {
  const demand = new Map(TENANTS.map((tenant) => [tenant, 0]));
  const report = (): void => {
    for (const tenant of TENANTS)
      if (random.chance(CHANGE_SHARE))
        demand.set(tenant, Math.floor(random.next() * random.next() * DEMAND_MAX_PER_SECOND));
    const inFlight = demand.values().reduce((sum, one) => sum + one, 0) * CALL_SECONDS;
    const its = { critical: 0, normal: inFlight * 0.75, batch: inFlight * 0.25 };
    reports.receive({
      program: "gateway",
      receiver: `${zone.name}.gateway`,
      classDemand: [{ ...ANYWHERE, regions: [], origins: { [zone.name]: its } }],
      demand: [...demand].map(([tenant, requestsPerSecond]) => ({ tenant, requestsPerSecond })),
      avoided: [],
    });
    if (agent.host()?.state() === "running")
      reports.receive({
        program: "agent",
        clusterId: zone.clusterId,
        instancesMax: CAPACITY_SLOTS,
        inFlight: Math.floor(inFlight),
        functions: [],
      });
    host.after(REPORT_EACH_MS, report);
  };
  host.after(REPORT_EACH_MS, report);
}
