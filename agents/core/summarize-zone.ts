import type { AgentReport } from "#lib/contracts/zone-report.ts";
import { callsOf, type InstanceState } from "./instance-lifecycle.ts";

/** What one version has here. */
export interface VersionLoad {
  readonly tenant: string;
  readonly functionName: string;
  readonly version: number;
  readonly queued: number;
  readonly instances: readonly { readonly state: InstanceState }[];
}

/** The report to the federator: every version that has an instance or a waiting call. Draining instances are not capacity. */
export function summarizeZone(
  clusterId: string,
  instancesMax: number,
  loads: readonly VersionLoad[],
): AgentReport {
  const functions = loads.map(({ tenant, functionName, version, queued, instances }) => {
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
    };
  });
  const inFlight = loads
    .flatMap(({ instances }) => instances)
    .reduce((calls, { state }) => calls + callsOf(state), 0);
  return {
    program: "agent",
    clusterId,
    instancesMax,
    inFlight,
    functions: functions.filter(
      ({ starting, idle, busy, queued }) => starting + idle + busy + queued > 0,
    ),
  };
}
