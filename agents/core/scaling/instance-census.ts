import { callsOf, type InstanceState } from "../instance-lifecycle.ts";

/** The instances of a version, counted. Those that drain are not counted: they take no call. */
export interface InstanceCensus {
  readonly waiting: number;
  /** Waiting and running. */
  readonly calls: number;
  readonly starting: number;
  readonly idle: number;
  readonly busy: number;
  readonly live: number;
}

export function countInstances(
  waiting: number,
  instances: Iterable<{ readonly state: InstanceState }>,
): InstanceCensus {
  let [starting, idle, busy, running] = [0, 0, 0, 0];
  for (const { state } of instances) {
    if (state.kind === "starting") starting += 1;
    else if (state.kind === "idle") idle += 1;
    else if (state.kind === "busy") busy += 1;
    running += callsOf(state);
  }
  return {
    waiting,
    calls: waiting + running,
    starting,
    idle,
    busy,
    live: starting + idle + busy,
  };
}
