import type { InstanceState } from "./instance-lifecycle.ts";

export interface ScaleInput<T> {
  /** Calls that wait although every free slot was given away. */
  readonly waiting: number;
  readonly concurrency: number;
  readonly instances: readonly T[];
  /** Instances that the cluster, the tenant and the starts already under way still leave room for. */
  readonly room: number;
}

export interface IdleLimits {
  /** How long an instance beyond the last one stays idle. */
  readonly extraIdleMs: number;
  /** How long the last one does, before the version is at zero. */
  readonly lastIdleMs: number;
}

export interface ScaleDecision<T> {
  readonly start: number;
  readonly retire: readonly T[];
  /** When the next idle instance is due; undefined when time alone changes nothing. */
  readonly checkAtMs: number | undefined;
}

/**
 * An instance for each waiting call (or each `concurrency` of them) up to the room there is. Idle ones go after `extraIdleMs`,
 * the last one after `lastIdleMs`; the most recently used stay longest.
 */
export function decideScale<T extends { readonly state: InstanceState }>(
  input: ScaleInput<T>,
  limits: IdleLimits,
  nowMs: number,
): ScaleDecision<T> {
  const { waiting, concurrency, instances, room } = input;
  const starting = instances.filter(({ state }) => state.kind === "starting").length;
  const busy = instances.filter(({ state }) => state.kind === "busy").length;
  const missing = Math.ceil(waiting / concurrency) - starting;
  const start = Math.max(0, Math.min(missing, room));

  const retire: T[] = [];
  let checkAtMs: number | undefined;
  for (const [index, { instance, sinceMs }] of idleNewestFirst(instances).entries()) {
    const isLast = index === 0 && starting + busy + start === 0;
    const dueAtMs = sinceMs + (isLast ? limits.lastIdleMs : limits.extraIdleMs);
    if (dueAtMs <= nowMs) retire.push(instance);
    else checkAtMs = Math.min(checkAtMs ?? dueAtMs, dueAtMs);
  }
  return { start, retire, checkAtMs };
}

/** Idle instances of other versions that make room where the cluster is full: the longest unused first. */
export function chooseEvictions<T extends { readonly state: InstanceState }>(
  instances: readonly T[],
  needed: number,
): readonly T[] {
  if (needed <= 0) return [];
  return idleNewestFirst(instances)
    .slice(-needed)
    .map(({ instance }) => instance);
}

function idleNewestFirst<T extends { readonly state: InstanceState }>(instances: readonly T[]) {
  return instances
    .flatMap((instance) =>
      instance.state.kind === "idle" ? [{ instance, sinceMs: instance.state.sinceMs }] : [],
    )
    .toSorted((one, other) => other.sinceMs - one.sinceMs);
}
