import { keys } from "#lib/contracts/catalog-keys.ts";
import type { ShiftRecord } from "#lib/contracts/control-records.ts";
import type { Operation, Transaction } from "#lib/ports/catalog.ts";
import { absent, put, unchangedSince } from "../transactions.ts";

/** As many as an operator can keep in mind; each is part of every gateway's plan. */
const SHIFTS_MAX = 16;

export interface ShiftWish {
  readonly id: string;
  readonly fromCluster: string;
  readonly toCluster: string | null;
  readonly percent: number;
  readonly minutes: number;
  readonly reason: string;
  readonly actor: string;
  /** The record lives as long as this lease of the catalog, whoever is there. */
  readonly leaseId: string;
}

export type ShiftPlan =
  | { readonly kind: "shift"; readonly record: ShiftRecord; readonly transaction: Transaction }
  | { readonly kind: "unknown-cluster"; readonly clusterId: string }
  | { readonly kind: "onto-itself" }
  /** Together they would move more than all of the cluster's calls. */
  | { readonly kind: "more-than-all"; readonly shiftedPercent: number }
  | { readonly kind: "too-many" };

/** The shifts there are, read after the guard: whoever adds one in between has rewritten it. */
export interface StandingShifts {
  /** The revision of the guard; undefined while no shift was ever added. */
  readonly guardRevision: number | undefined;
  readonly shifts: readonly ShiftRecord[];
}

/** A shift that begins now, beside those there are. */
export function planShift(
  wish: ShiftWish,
  clusterIds: readonly string[],
  { guardRevision, shifts: existing }: StandingShifts,
  wallMs: number,
): ShiftPlan {
  const { id, fromCluster, toCluster, percent, minutes, reason, actor, leaseId } = wish;
  for (const clusterId of [fromCluster, toCluster])
    if (clusterId !== null && !clusterIds.includes(clusterId))
      return { kind: "unknown-cluster", clusterId };
  if (fromCluster === toCluster) return { kind: "onto-itself" };
  if (existing.length >= SHIFTS_MAX) return { kind: "too-many" };
  const shiftedPercent = existing
    .filter((shift) => shift.fromCluster === fromCluster)
    .reduce((sum, shift) => sum + shift.percent, 0);
  if (shiftedPercent + percent > 100) return { kind: "more-than-all", shiftedPercent };

  const record: ShiftRecord = {
    id,
    fromCluster,
    toCluster,
    percent,
    reason,
    createdBy: actor,
    createdAtMs: wallMs,
    expiresAtMs: wallMs + minutes * 60_000,
  };
  const key = keys.shift(id);
  const operation: Operation = { kind: "put", key, value: JSON.stringify(record), leaseId };
  return {
    kind: "shift",
    record,
    transaction: {
      compares: [absent(key), unchangedSince(keys.shiftGuard(), guardRevision)],
      operations: [operation, put(keys.shiftGuard(), { addedAtMs: wallMs })],
    },
  };
}
