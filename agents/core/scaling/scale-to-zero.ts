/** What Knative's `PodAutoscaler` says of a version, and since when. */
export type Activity =
  | { readonly kind: "inactive"; readonly sinceMs: number }
  | { readonly kind: "activating"; readonly sinceMs: number }
  | { readonly kind: "active"; readonly sinceMs: number };

export interface ZeroSpec {
  readonly stableWindowMs: number;
  readonly scaleToZeroGraceMs: number;
}

export interface ZeroDecision {
  /** Instances to have now; undefined: as many as there are. */
  readonly instances: number | undefined;
  /** Whether the version counts as in use from now on. */
  readonly isActive: boolean;
}

/** A start that is not done by then has failed: Knative's progress deadline of 600 s, and 30 s. */
const ACTIVATION_MAX_MS = 630_000;

/**
 * The way from one to zero, as `handleScaleToZero` of knative.dev/serving goes it: the version is active for a stable window, then
 * inactive, and its last instance ends once calls have gone through the queue for the grace period. The queue is always in our path,
 * so the probe that Knative makes of it always succeeds.
 */
export function decideZero(
  activity: Activity,
  queuedSinceMs: number | undefined,
  desired: number,
  spec: ZeroSpec,
  nowMs: number,
): ZeroDecision {
  if (desired > 0) return { instances: desired, isActive: true };
  const ofAgeMs = nowMs - activity.sinceMs;
  switch (activity.kind) {
    case "activating":
      return ofAgeMs > ACTIVATION_MAX_MS
        ? { instances: 0, isActive: false }
        : { instances: undefined, isActive: true };
    case "active":
      return ofAgeMs >= spec.stableWindowMs
        ? { instances: undefined, isActive: false }
        : { instances: 1, isActive: true };
    case "inactive": {
      const queuedMs = queuedSinceMs === undefined ? 0 : nowMs - queuedSinceMs;
      const isOver = Math.max(ofAgeMs, queuedMs) >= spec.scaleToZeroGraceMs;
      return { instances: isOver ? 0 : undefined, isActive: false };
    }
  }
}
