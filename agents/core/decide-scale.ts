import type { InstanceState } from "./instance-lifecycle.ts";
import { countInstances, type InstanceCensus } from "./scaling/instance-census.ts";
import { initialKpaScaleState, scaleByKpa } from "./scaling/scale-by-kpa.ts";
import { initialRequestState, scaleByRequests } from "./scaling/scale-by-requests.ts";
import type { ScalePlan } from "./scaling/scale-plan.ts";
import type { ScaleState } from "./scaling/scale-state.ts";
import type { ScalingSpec } from "./scaling/scaling-spec.ts";

export interface ScaleObservation<T> {
  /** Calls that wait although every free slot was given away. */
  readonly waiting: number;
  readonly instances: readonly T[];
  /** Calls at the same time that there may soon be, those that are here included; 0: nobody knows of any. */
  readonly expectedCalls: number;
  /** The table names the version: what it asks for without a call is kept ready. */
  readonly isPlaced: boolean;
  /** Instances that the cluster, the tenant and the starts already under way still leave room for; asked only for a start. */
  readonly room: () => number;
  /** The same for instances that no call waits for. */
  readonly spareRoom: () => number;
}

export interface ScaleDecision<T> {
  readonly state: ScaleState;
  readonly start: number;
  /** Instances for calls that wait, for which there is no room yet. */
  readonly lacking: number;
  /** Instances that no call waits for, for which there is no room yet. */
  readonly isShort: boolean;
  /** Instances that it should have without a call. */
  readonly wanted: number;
  /** Idle ones alone: what runs a call is never taken away. */
  readonly retire: readonly T[];
  /** When to decide again though nothing happens; undefined when time alone changes nothing. */
  readonly checkAtMs: number | undefined;
}

export function initialScaleState(spec: ScalingSpec, nowMs: number): ScaleState {
  return spec.kind === "kpa" ? initialKpaScaleState(spec, nowMs) : initialRequestState;
}

/** How many instances a version starts now and which it ends: its mode's plan, between what is asked for and what there is room for. */
export function decideScale<T extends { readonly state: InstanceState }>(
  state: ScaleState,
  observation: ScaleObservation<T>,
  spec: ScalingSpec,
  nowMs: number,
): ScaleDecision<T> {
  const { waiting, instances, isPlaced, expectedCalls } = observation;
  const census = countInstances(waiting, instances);
  const plan = planOf(state, census, spec, isPlaced, nowMs);
  const forCalls = limit(plan.startForCalls, spec.maxInstances - census.live, observation.room);
  const permitted = Math.min(plan.startForCalls, spec.maxInstances - census.live);
  const planned = census.live + forCalls;
  const asked = askedFor(census, spec, isPlaced);
  const expected = Math.ceil(expectedCalls / spec.concurrency);
  const hold = Math.max(plan.hold, asked, expected);
  const spares = limit(hold - planned, spec.maxInstances - planned, observation.spareRoom);
  const start = forCalls + spares;
  const wanted = Math.min(hold, spec.maxInstances);

  const due = chooseDue(instances, plan, census.live + start, hold, nowMs);
  return {
    state: plan.state,
    start,
    lacking: Math.max(0, permitted - forCalls),
    isShort: wanted > census.live + start,
    wanted,
    retire: due.retire,
    checkAtMs: earliest(plan.checkAtMs, due.checkAtMs),
  };
}

/** What the version is promised whatever is called: its minimum, and initialised spares beside those that work. */
const askedFor = (census: InstanceCensus, spec: ScalingSpec, isPlaced: boolean): number =>
  isPlaced
    ? Math.min(Math.max(spec.minInstances, census.busy + spec.provisioned), spec.maxInstances)
    : 0;

/** The idle instances that may make room for another version's call: those beyond what is promised. */
export function evictableInstances<T extends { readonly state: InstanceState }>(
  instances: readonly T[],
  spec: ScalingSpec,
  isPlaced: boolean,
): readonly T[] {
  const census = countInstances(0, instances);
  const beyond = Math.max(0, census.live - askedFor(census, spec, isPlaced));
  return idleNewestFirst(instances)
    .toReversed()
    .slice(0, beyond)
    .map(({ instance }) => instance);
}

function planOf(
  state: ScaleState,
  census: InstanceCensus,
  spec: ScalingSpec,
  isPlaced: boolean,
  nowMs: number,
): ScalePlan<ScaleState> {
  if (spec.kind === "kpa") {
    const known = state.kind === "kpa" ? state : initialKpaScaleState(spec, nowMs);
    return scaleByKpa(known, census, spec, isPlaced, nowMs);
  }
  const known = state.kind === "request" ? state : initialRequestState;
  return scaleByRequests(known, census, spec, nowMs);
}

const limit = (wanted: number, roomOfVersion: number, room: () => number): number =>
  wanted <= 0 || roomOfVersion <= 0 ? 0 : Math.max(0, Math.min(wanted, roomOfVersion, room()));

/** The longest unused go first, down to what is held; the most recently used stays longest. */
function chooseDue<T extends { readonly state: InstanceState }>(
  instances: readonly T[],
  plan: ScalePlan<ScaleState>,
  live: number,
  hold: number,
  nowMs: number,
): { readonly retire: readonly T[]; readonly checkAtMs: number | undefined } {
  const retire: T[] = [];
  let checkAtMs: number | undefined;
  let left = live;
  for (const { instance, sinceMs } of idleNewestFirst(instances).toReversed()) {
    if (left <= hold) break;
    const idleMs = plan.idleMsOf(left === 1);
    if (idleMs === undefined) break;
    const dueAtMs = sinceMs + idleMs;
    if (dueAtMs <= nowMs) {
      retire.push(instance);
      left -= 1;
    } else {
      checkAtMs = dueAtMs;
      break;
    }
  }
  return { retire, checkAtMs };
}

const earliest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined ? other : other === undefined ? one : Math.min(one, other);

function idleNewestFirst<T extends { readonly state: InstanceState }>(instances: readonly T[]) {
  return instances
    .flatMap((instance) =>
      instance.state.kind === "idle" ? [{ instance, sinceMs: instance.state.sinceMs }] : [],
    )
    .toSorted((one, other) => other.sinceMs - one.sinceMs);
}
