/** A Lease as it was last read: https://kubernetes.io/docs/concepts/architecture/leases/ */
export interface SeenLease {
  readonly holder: string;
  /** Which process of that holder. */
  readonly process: string;
  readonly durationMs: number;
  /** Of the record: changes with each renewal. */
  readonly resourceVersion: string;
  /** By this process's own clock: those of other machines are not compared. */
  readonly unchangedSinceMs: number;
}

export type LeaseStep =
  | { readonly kind: "take" }
  | { readonly kind: "renew" }
  | { readonly kind: "wait"; readonly forMs: number }
  /** It was this process's, and is another's. */
  | { readonly kind: "lost" };

/**
 * One acts: whoever holds the lease. A holder that came back as another process takes it at once, and the process before it, should it
 * still run, finds that out when it renews.
 */
export function judgeLease(
  lease: SeenLease | undefined,
  own: { readonly holder: string; readonly process: string },
  hadIt: boolean,
  nowMs: number,
): LeaseStep {
  if (lease === undefined || lease.holder === "")
    return hadIt ? { kind: "lost" } : { kind: "take" };
  if (lease.holder === own.holder && lease.process === own.process) return { kind: "renew" };
  if (hadIt) return { kind: "lost" };
  if (lease.holder === own.holder) return { kind: "take" };
  const leftMs = lease.unchangedSinceMs + lease.durationMs - nowMs;
  return leftMs <= 0 ? { kind: "take" } : { kind: "wait", forMs: leftMs };
}
