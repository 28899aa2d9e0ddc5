import { hasSpareSlot, type InstanceState } from "./instance-lifecycle.ts";

export interface InstanceChoice {
  readonly state: InstanceState;
  /** When a call last started or ended on it. */
  readonly usedAtMs: number;
}

/** The most recently used one with a free slot: its caches are warm, and the others can grow old enough to be reaped. */
export function chooseInstance<T extends InstanceChoice>(
  instances: Iterable<T>,
  concurrency: number,
): T | undefined {
  let chosen: T | undefined;
  for (const instance of instances) {
    if (!hasSpareSlot(instance.state, concurrency)) continue;
    if (chosen === undefined || instance.usedAtMs >= chosen.usedAtMs) chosen = instance;
  }
  return chosen;
}
