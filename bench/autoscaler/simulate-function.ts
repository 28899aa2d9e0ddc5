import { chooseInstance } from "../../agents/core/choose-instance.ts";
import { decideScale, initialScaleState } from "../../agents/core/decide-scale.ts";
import {
  type InstanceEvent,
  type InstanceState,
  isSpent,
  stepInstance,
} from "../../agents/core/instance-lifecycle.ts";
import type { ScalingSpec } from "../../agents/core/scaling/scaling-spec.ts";
import type { TracedCall } from "./trace.ts";
import { virtualEvents } from "./virtual-events.ts";

export interface SimulatedFunction {
  /** Of each call, from its arrival until an instance begins it. */
  readonly waitsMs: readonly number[];
  /** Of all instances, from their start to their end. */
  readonly instanceMs: number;
  readonly busyMs: number;
  readonly starts: number;
}

interface VirtualInstance {
  state: InstanceState;
  usedAtMs: number;
  readonly startedAtMs: number;
}

type VirtualEvent =
  | { readonly kind: "arrival"; readonly call: TracedCall }
  | { readonly kind: "ready"; readonly instance: VirtualInstance }
  | { readonly kind: "call-ended"; readonly instance: VirtualInstance }
  | { readonly kind: "check" };

/**
 * Runs the agent's own decisions on one function's calls, in virtual time: calls and instances are handled as `version-pool.ts` does,
 * a start takes `startMs`, and there is room for every instance.
 */
export function simulateFunction(
  calls: readonly TracedCall[],
  spec: ScalingSpec,
  startMs: number,
  endMs: number,
): SimulatedFunction {
  const events = virtualEvents<VirtualEvent>();
  const instances = new Set<VirtualInstance>();
  const waiting: TracedCall[] = [];
  const waitsMs: number[] = [];
  let [instanceMs, busyMs, starts, arrived] = [0, 0, 0, 0];
  let checkAtMs = Number.POSITIVE_INFINITY;
  let state = initialScaleState(spec, 0);

  const step = (instance: VirtualInstance, event: InstanceEvent, nowMs: number): void => {
    instance.usedAtMs = nowMs;
    instance.state = stepInstance(instance.state, event, nowMs, spec.concurrency);
    if (!isSpent(instance.state)) return;
    instances.delete(instance);
    instanceMs += nowMs - instance.startedAtMs;
  };
  const assign = (nowMs: number): void => {
    for (;;) {
      const [call] = waiting;
      const instance = call && chooseInstance(instances, spec.concurrency);
      if (call === undefined || instance === undefined) return;
      waiting.shift();
      waitsMs.push(nowMs - call.atMs);
      busyMs += call.runMs;
      step(instance, "call-started", nowMs);
      events.add(nowMs + call.runMs, { kind: "call-ended", instance });
    }
  };
  const start = (nowMs: number): void => {
    const instance: VirtualInstance = {
      state: { kind: "starting" },
      usedAtMs: nowMs,
      startedAtMs: nowMs,
    };
    instances.add(instance);
    starts += 1;
    events.add(nowMs + startMs, { kind: "ready", instance });
  };
  const review = (nowMs: number): void => {
    const observation = {
      waiting: waiting.length,
      instances: [...instances],
      expectedCalls: 0,
      isPlaced: true,
      room: () => Number.POSITIVE_INFINITY,
      spareRoom: () => Number.POSITIVE_INFINITY,
    };
    const decision = decideScale(state, observation, spec, nowMs);
    state = decision.state;
    for (const instance of decision.retire) step(instance, "retired", nowMs);
    for (let count = 0; count < decision.start; count += 1) start(nowMs);
    if (decision.checkAtMs === undefined || decision.checkAtMs >= checkAtMs) return;
    checkAtMs = decision.checkAtMs;
    events.add(checkAtMs, { kind: "check" });
  };
  const arriveNext = (): void => {
    const call = calls[arrived];
    arrived += 1;
    if (call !== undefined) events.add(call.atMs, { kind: "arrival", call });
  };

  arriveNext();
  review(0);
  for (;;) {
    const next = events.next();
    if (next === undefined || next.atMs > endMs) break;
    const { event, atMs } = next;
    if (event.kind === "arrival") {
      waiting.push(event.call);
      arriveNext();
    } else if (event.kind === "check") checkAtMs = Number.POSITIVE_INFINITY;
    else step(event.instance, event.kind, atMs);
    assign(atMs);
    review(atMs);
  }
  for (const { startedAtMs } of instances) instanceMs += endMs - startedAtMs;
  return { waitsMs, instanceMs, busyMs, starts };
}
