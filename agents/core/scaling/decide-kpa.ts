import { type DelayWindow, largestOf, recordLargest } from "./delay-window.ts";

/** Knative's `DeciderSpec`; each name is the one its documentation uses. */
export interface KpaSpec {
  /** Calls that an instance should run on average, and those that it can run. */
  readonly target: number;
  readonly total: number;
  readonly stableWindowMs: number;
  readonly panicWindowMs: number;
  /** 2: the panic window asks for twice of what there is. */
  readonly panicThreshold: number;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  readonly scaleDownDelayMs: number;
  readonly activationScale: number;
  /** -1: without limit. */
  readonly targetBurstCapacity: number;
  readonly scaleToZeroGraceMs: number;
}

export interface KpaState {
  readonly panicSinceMs: number | undefined;
  readonly panicInstancesMax: number;
  readonly delayed: DelayWindow;
}

/** An autoscaler that finds several instances begins in panic, so that its restart takes none of them away. */
export const initialKpaState = (readyInstances: number, nowMs: number): KpaState => ({
  panicSinceMs: readyInstances > 1 ? nowMs : undefined,
  panicInstancesMax: readyInstances,
  delayed: [],
});

export interface KpaObservation {
  readonly readyInstances: number;
  readonly stableCalls: number;
  readonly panicCalls: number;
  /** False: nothing routes to the version any more. */
  readonly isReachable: boolean;
}

export interface KpaDecision {
  readonly state: KpaState;
  readonly desired: number;
  /** Below 0: calls go through the queue, as the instances have no room for a burst of `targetBurstCapacity`. */
  readonly excessBurstCapacity: number;
}

/** How often Knative decides. */
export const KPA_TICK_MS = 2_000;

/** One decision of Knative's autoscaler: `Scale` of knative.dev/serving, pkg/autoscaler/scaling/autoscaler.go at 98e5ef90. */
export function decideKpa(
  state: KpaState,
  observation: KpaObservation,
  spec: KpaSpec,
  nowMs: number,
): KpaDecision {
  const { readyInstances, stableCalls, panicCalls, isReachable } = observation;
  const ready = Math.max(1, readyInstances);
  const upMax = Math.ceil(spec.maxScaleUpRate * ready);
  const downMin = isReachable ? Math.floor(ready / spec.maxScaleDownRate) : 0;
  const wanted = (calls: number): { readonly asked: number; readonly granted: number } => {
    const asked = Math.ceil(calls / spec.target);
    const limited = Math.trunc(Math.min(Math.max(asked, downMin), upMax));
    const isRaised = spec.activationScale > 1 && asked > 0;
    return { asked, granted: isRaised ? Math.max(limited, spec.activationScale) : limited };
  };
  const stable = wanted(stableCalls);
  const panic = wanted(panicCalls);

  const panicSinceMs = stepPanic(state.panicSinceMs, panic.asked / ready, spec, nowMs);
  const isPanicking = panicSinceMs !== undefined;
  const hasCalmed = state.panicSinceMs !== undefined && !isPanicking;
  const before = hasCalmed ? 0 : state.panicInstancesMax;
  // In panic nothing is taken away.
  const panicInstancesMax = isPanicking ? Math.max(before, stable.granted, panic.granted) : before;
  const decided = isPanicking ? panicInstancesMax : stable.granted;

  const isDelayed = isReachable && spec.scaleDownDelayMs > 0;
  const delayed = isDelayed
    ? recordLargest(
        state.delayed,
        decided,
        Math.floor(nowMs / KPA_TICK_MS),
        Math.ceil(spec.scaleDownDelayMs / KPA_TICK_MS),
      )
    : state.delayed;
  return {
    state: { panicSinceMs, panicInstancesMax, delayed },
    desired: isDelayed ? largestOf(delayed) : decided,
    excessBurstCapacity: excessBurstCapacity(readyInstances, panicCalls, spec),
  };
}

/** Panic ends one stable window after it was last justified, when that window has seen the surge. */
function stepPanic(
  sinceMs: number | undefined,
  askedPerReady: number,
  { panicThreshold, stableWindowMs }: KpaSpec,
  nowMs: number,
): number | undefined {
  if (askedPerReady >= panicThreshold) return nowMs;
  return sinceMs !== undefined && sinceMs + stableWindowMs < nowMs ? undefined : sinceMs;
}

function excessBurstCapacity(
  readyInstances: number,
  panicCalls: number,
  { targetBurstCapacity, total }: KpaSpec,
): number {
  if (targetBurstCapacity === 0) return 0;
  if (targetBurstCapacity < 0) return -1;
  return Math.floor(readyInstances * total - targetBurstCapacity - panicCalls);
}
