import type { AgentReport, FailingStart } from "#lib/contracts/zone-report.ts";
import { type LoadedInstance, stuckInstances } from "./stuck-instances.ts";
import { callsOf, type InstanceState } from "./instance-lifecycle.ts";

/** What one version has here. */
export interface VersionLoad {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  /** Calls that one instance of it runs at the same time. */
  readonly concurrency: number;
  readonly queued: number;
  /** The table does not know it. */
  readonly isQuarantined?: boolean;
  readonly instances: readonly LoadedInstance[];
  /** Its instances do not start, one after the other. */
  readonly failing?: FailingStart | undefined;
  /** Instances it should have without a call, where there is no room for all of them. */
  readonly wanted?: number | undefined;
}

/** The report to the federator: every version that has an instance or a waiting call. Draining instances are not capacity. */
export function summarizeZone(
  clusterId: string,
  instancesMax: number,
  loads: readonly VersionLoad[],
  nowMs: number,
): AgentReport {
  const functions = loads.map((load) => {
    const { tenant, functionName, version, queued, instances, failing, wanted } = load;
    const stuck = stuckInstances(load, nowMs).length;
    const count = (kind: InstanceState["kind"]) =>
      instances.filter(({ state }) => state.kind === kind).length;
    return {
      tenant,
      functionName,
      version,
      starting: count("starting"),
      idle: count("idle"),
      busy: count("busy"),
      queued,
      ...(failing !== undefined && { failing }),
      ...(wanted !== undefined && { wanted }),
      ...(stuck > 0 && { stuck }),
    };
  });
  const inFlight = loads
    .flatMap(({ instances }) => instances)
    .reduce((calls, { state }) => calls + callsOf(state), 0);
  return {
    program: "agent",
    clusterId,
    instancesMax,
    capacitySlots: countSlots(instancesMax, loads),
    quarantined: loads.filter(
      ({ isQuarantined, instances }) => isQuarantined === true && instances.length > 0,
    ).length,
    inFlight,
    functions: functions.filter(
      ({ starting, idle, busy, queued, failing, wanted = 0, stuck = 0 }) =>
        failing !== undefined || starting + idle + busy + queued + wanted + stuck > 0,
    ),
  };
}

/**
 * Calls that the cluster can serve at the same time: those of the instances that are there, and one for each that there is still
 * place for, as nobody knows what will run in it.
 */
function countSlots(instancesMax: number, loads: readonly VersionLoad[]): number {
  const counted = loads.map(({ concurrency, instances }) => ({
    concurrency,
    count: instances.filter(({ state }) => state.kind !== "draining").length,
  }));
  const present = counted.reduce((sum, { count }) => sum + count, 0);
  const slots = counted.reduce((sum, { concurrency, count }) => sum + concurrency * count, 0);
  return slots + Math.max(0, instancesMax - present);
}
