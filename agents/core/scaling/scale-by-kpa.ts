import { decideKpa, initialKpaState, KPA_TICK_MS, type KpaState } from "./decide-kpa.ts";
import type { InstanceCensus } from "./instance-census.ts";
import type { ScalePlan } from "./scale-plan.ts";
import { type Activity, decideZero } from "./scale-to-zero.ts";
import type { KpaScalingSpec } from "./scaling-spec.ts";
import {
  isEmpty,
  type RecordWindow,
  recordValue,
  recordWindow,
  windowAverage,
} from "./window-average.ts";

export interface KpaScaleState {
  readonly kind: "kpa";
  readonly stable: RecordWindow;
  readonly panic: RecordWindow;
  readonly decider: KpaState;
  readonly activity: Activity;
  /** Since when calls go through the queue first, by Knative's account: its ingress would know no instance, or not enough. */
  readonly queuedSinceMs: number | undefined;
  readonly meter: Meter;
  /** When the next second is recorded; undefined at zero, where nothing happens. */
  readonly recordAtMs: number | undefined;
  readonly decideAtMs: number;
  /** What was last decided: before the way to zero, and after it. */
  readonly desired: number;
  readonly instances: number;
}

/** Call-milliseconds since the last record. */
interface Meter {
  readonly calls: number;
  readonly fromMs: number;
  readonly atMs: number;
  readonly area: number;
  /** The last record was without a call, so that the next call is told at once. */
  readonly isSilent: boolean;
  /** Calls that were told at once are not counted again. */
  readonly told: number;
}

const RECORD_MS = 1_000;

export const initialKpaScaleState = (spec: KpaScalingSpec, nowMs: number): KpaScaleState => ({
  kind: "kpa",
  stable: recordWindow(spec.stableWindowMs),
  panic: recordWindow(spec.panicWindowMs),
  decider: initialKpaState(0, nowMs),
  activity: { kind: "inactive", sinceMs: nowMs },
  queuedSinceMs: nowMs,
  meter: { calls: 0, fromMs: nowMs, atMs: nowMs, area: 0, isSilent: true, told: 0 },
  recordAtMs: undefined,
  decideAtMs: nowMs,
  desired: 0,
  instances: 0,
});

/** Knative's autoscaler: calls are averaged each second, decided on every two, and at once for the first call at zero. */
export function scaleByKpa(
  state: KpaScaleState,
  census: InstanceCensus,
  spec: KpaScalingSpec,
  isReachable: boolean,
  nowMs: number,
): ScalePlan<KpaScaleState> {
  const woken = wake(state, census, nowMs);
  const { state: told, isPoked } = tellFirstCall(measure(woken, census.calls, nowMs), nowMs);
  const recorded = recordSeconds(told, nowMs);
  const isDue = recorded.recordAtMs !== undefined && nowMs >= recorded.decideAtMs;
  const decided = isPoked || isDue ? decide(recorded, census, spec, isReachable, nowMs) : recorded;
  const next = sleepAtZero(decided, census);
  // Where something went wrong with the only instance, its calls are not left to the next tick.
  const wanted = Math.max(next.instances, Math.min(census.waiting, 1));
  return {
    state: next,
    startForCalls: wanted - census.live,
    hold: wanted,
    idleMsOf: () => 0,
    checkAtMs:
      next.recordAtMs === undefined ? undefined : Math.min(next.recordAtMs, next.decideAtMs),
  };
}

function wake(state: KpaScaleState, { calls, live }: InstanceCensus, nowMs: number): KpaScaleState {
  if (state.recordAtMs !== undefined || calls + live === 0) return state;
  return {
    ...state,
    meter: { ...state.meter, calls: 0, fromMs: nowMs, atMs: nowMs, area: 0, isSilent: true },
    recordAtMs: nowMs + RECORD_MS,
    decideAtMs: nowMs + KPA_TICK_MS,
  };
}

function measure(state: KpaScaleState, calls: number, nowMs: number): KpaScaleState {
  const { meter } = state;
  const area = meter.area + meter.calls * (nowMs - meter.atMs);
  return { ...state, meter: { ...meter, calls, atMs: nowMs, area } };
}

/** The first call after a silence counts as one at once, and where there is nothing, something is done about it at once. */
function tellFirstCall(
  state: KpaScaleState,
  nowMs: number,
): { readonly state: KpaScaleState; readonly isPoked: boolean } {
  const { meter, stable, panic } = state;
  if (!meter.isSilent || meter.calls === 0) return { state, isPoked: false };
  const told: KpaScaleState = {
    ...state,
    stable: recordValue(stable, 1, nowMs),
    panic: recordValue(panic, 1, nowMs),
    meter: { ...meter, isSilent: false, told: 1 },
  };
  return { state: told, isPoked: state.desired === 0 };
}

/** Seconds that were missed had the same average: a late timer is no lack of calls. */
function recordSeconds(state: KpaScaleState, nowMs: number): KpaScaleState {
  const { recordAtMs, meter } = state;
  if (recordAtMs === undefined || nowMs < recordAtMs) return state;
  const average = meter.area / (nowMs - meter.fromMs);
  let { stable, panic } = state;
  let value = Math.max(0, average - meter.told);
  let atMs = Math.max(recordAtMs, nowMs - stable.windowMs);
  for (; atMs <= nowMs; atMs += RECORD_MS) {
    stable = recordValue(stable, value, atMs);
    panic = recordValue(panic, value, atMs);
    value = average;
  }
  const fresh = { ...meter, fromMs: nowMs, area: 0, told: 0, isSilent: average === 0 };
  return { ...state, stable, panic, meter: fresh, recordAtMs: atMs };
}

function decide(
  state: KpaScaleState,
  { idle, busy }: InstanceCensus,
  spec: KpaScalingSpec,
  isReachable: boolean,
  nowMs: number,
): KpaScaleState {
  const next = { ...state, decideAtMs: nowMs + KPA_TICK_MS };
  if (isEmpty(state.stable, nowMs)) return next;
  const ready = idle + busy;
  const decision = decideKpa(
    state.decider,
    {
      readyInstances: ready,
      stableCalls: windowAverage(state.stable, nowMs),
      panicCalls: windowAverage(state.panic, nowMs),
      isReachable,
    },
    spec,
    nowMs,
  );
  const floor = isReachable ? spec.minInstances : 0;
  const bounded = Math.min(Math.max(decision.desired, floor), spec.maxInstances);
  const zero = decideZero(state.activity, state.queuedSinceMs, bounded, spec, nowMs);
  const kind = !zero.isActive ? "inactive" : ready === 0 ? "activating" : "active";
  const isServing = (zero.instances ?? 0) > 0 && decision.excessBurstCapacity >= 0;
  return {
    ...next,
    decider: decision.state,
    activity: state.activity.kind === kind ? state.activity : { kind, sinceMs: nowMs },
    queuedSinceMs: isServing ? undefined : (state.queuedSinceMs ?? nowMs),
    desired: decision.desired,
    instances: zero.instances ?? state.instances,
  };
}

function sleepAtZero(state: KpaScaleState, { calls, live }: InstanceCensus): KpaScaleState {
  const isAtRest = state.instances + calls + live === 0;
  return isAtRest ? { ...state, recordAtMs: undefined } : state;
}
