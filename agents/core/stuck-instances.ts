import { callsOf, type InstanceState } from "./instance-lifecycle.ts";

export interface LoadedInstance {
  readonly state: InstanceState;
  /** When its state changed last. */
  readonly usedAtMs?: number;
}

/** An instance that was ended is gone within a moment; one that is not after this long does not obey. */
const END_MAX_MS = 10_000;
/** The longest time limit of a call, and as much for its end: what still runs one then runs it for nobody. */
const CALL_MAX_MS = 900_000 + END_MAX_MS;

/** Instances of the version that are to end and do not: they hold memory and a place that others could have. */
export const stuckInstances = (
  { instances }: { readonly instances: readonly LoadedInstance[] },
  nowMs: number,
): readonly LoadedInstance[] =>
  instances.filter(({ state, usedAtMs }) => {
    if (state.kind !== "draining" || usedAtMs === undefined) return false;
    return nowMs - usedAtMs > (callsOf(state) === 0 ? END_MAX_MS : CALL_MAX_MS);
  });
