import type { Scaling } from "#lib/contracts/scaling.ts";
import type { KpaSpec } from "./decide-kpa.ts";

export interface IdleLimits {
  /** How long an instance beyond the last one stays idle. */
  readonly extraIdleMs: number;
  /** How long the last one does, before the version is at zero. */
  readonly lastIdleMs: number;
}

interface InstanceLimits {
  readonly concurrency: number;
  readonly minInstances: number;
  readonly maxInstances: number;
  readonly provisioned: number;
}

export interface RequestSpec extends InstanceLimits, IdleLimits {
  readonly kind: "request";
}

export interface KpaScalingSpec extends InstanceLimits, KpaSpec {
  readonly kind: "kpa";
}

/** How one version scales, all of it said. */
export type ScalingSpec = RequestSpec | KpaScalingSpec;

/** Knative aims no lower. */
const TARGET_MIN = 0.01;

/** Fills in what the manifest leaves out; the defaults of `kpa` are Knative's (config/core/configmaps/autoscaler.yaml). */
export function scalingSpec(
  concurrency: number,
  scaling: Scaling | undefined,
  idle: IdleLimits,
): ScalingSpec {
  const limits: InstanceLimits = {
    concurrency,
    minInstances: scaling?.minInstances ?? 0,
    maxInstances: scaling?.maxInstances ?? Number.POSITIVE_INFINITY,
    provisioned: scaling?.provisioned ?? 0,
  };
  if (scaling?.mode !== "kpa")
    return {
      kind: "request",
      ...limits,
      // Nothing extra outlives the last one.
      extraIdleMs: Math.min(idle.extraIdleMs, idle.lastIdleMs),
      lastIdleMs: idle.lastIdleMs,
    };
  const total = Math.min(scaling.target ?? concurrency, concurrency);
  const stableWindowMs = milliseconds(scaling.stableWindow ?? "60s");
  return {
    kind: "kpa",
    ...limits,
    total,
    target: Math.max(TARGET_MIN, total * ((scaling.targetUtilization ?? 70) / 100)),
    stableWindowMs,
    // To whole seconds, as these are its buckets, and one of them at least.
    panicWindowMs:
      Math.max(1, Math.round((stableWindowMs * (scaling.panicWindowPercentage ?? 10)) / 100_000)) *
      1_000,
    panicThreshold: (scaling.panicThresholdPercentage ?? 200) / 100,
    maxScaleUpRate: scaling.maxScaleUpRate ?? 1_000,
    maxScaleDownRate: scaling.maxScaleDownRate ?? 2,
    scaleDownDelayMs: milliseconds(scaling.scaleDownDelay ?? "0s"),
    activationScale: scaling.activationScale ?? 1,
    targetBurstCapacity: scaling.targetBurstCapacity ?? 211,
    scaleToZeroGraceMs: milliseconds(scaling.scaleToZeroGracePeriod ?? "30s"),
  };
}

/** Whether instances are there before anybody calls. */
export const hasFloor = (scaling: Scaling | undefined): boolean =>
  (scaling?.minInstances ?? 0) + (scaling?.provisioned ?? 0) > 0;

const milliseconds = (wholeSeconds: string): number => Number.parseInt(wholeSeconds, 10) * 1_000;
