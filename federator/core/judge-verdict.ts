import type { VerdictRecord } from "#lib/contracts/catalog-records.ts";
import { type Evidence, isSeenUp, judgeDowns } from "./weigh-evidence.ts";

/** What the federation knows of a cluster when it decides. */
export interface ClusterCase {
  readonly clusterId: string;
  /** Undefined for a cluster that no zone ever reached. */
  readonly record: VerdictRecord | undefined;
  /** The revision that wrote the record; 0 when there is none. */
  readonly recordRevision: number;
  readonly evidence: Evidence;
  /** Since when two zones have held it to be up without a break; undefined when they do not. */
  readonly goodSinceMs: number | undefined;
  /** For how long this observer itself has held it to be up, or had before it went down. */
  readonly upForMs: number;
}

export interface VerdictLimits {
  /** False with fewer than three zones, or where failover is switched off: nothing is ever taken out. */
  readonly canTakeOut: boolean;
  readonly hasWitness: boolean;
  readonly upHoldMs: number;
  readonly upHoldMaxMs: number;
  /** A cluster that stayed up this long before it went down starts anew with its flaps. */
  readonly flapMemoryMs: number;
}

export type VerdictDecision =
  | { readonly kind: "down"; readonly clusterId: string; readonly flaps: number }
  | {
      readonly kind: "up";
      readonly clusterId: string;
      readonly cause: VerdictRecord["cause"];
      readonly flaps: number;
      /** Whether it takes its share step by step. */
      readonly isRamped: boolean;
      /** Whether only the leader may write it. */
      readonly needsLeader: boolean;
    };

/**
 * The changes of verdict that are due. `sessionRevisions` are the revisions that wrote the session of each federator that is
 * alive.
 */
export function judgeVerdicts(
  cases: readonly ClusterCase[],
  sessionRevisions: readonly number[],
  nowMs: number,
  limits: VerdictLimits,
): readonly VerdictDecision[] {
  const evidence = new Map(cases.map((one) => [one.clusterId, one.evidence]));
  const inService = cases.filter(({ record }) => record?.state === "up");
  const accused = limits.canTakeOut
    ? judgeDowns(
        evidence,
        inService.map(({ clusterId }) => clusterId),
      )
    : [];
  const downs = inService
    .filter(({ clusterId }) => accused.includes(clusterId))
    .map((one) => ({
      kind: "down" as const,
      clusterId: one.clusterId,
      flaps: one.upForMs >= limits.flapMemoryMs ? 1 : (one.record?.flaps ?? 0) + 1,
    }));
  const ups = cases
    .map((one) => judgeReturn(one, sessionRevisions, nowMs, limits))
    .filter((decision) => decision !== undefined);
  return [...downs, ...ups];
}

function judgeReturn(
  one: ClusterCase,
  sessionRevisions: readonly number[],
  nowMs: number,
  limits: VerdictLimits,
): VerdictDecision | undefined {
  const { clusterId, record, evidence } = one;
  if (record?.state === "up" || evidence.upZones.length === 0) return undefined;
  const up = { kind: "up", clusterId } as const;
  if (record === undefined)
    return { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: false };
  if (isFromEarlierRun(one.recordRevision, sessionRevisions) || !limits.hasWitness)
    return { ...up, cause: "first-seen", flaps: 0, isRamped: false, needsLeader: true };
  if (record.cause === "planned")
    return { ...up, cause: "planned", flaps: record.flaps, isRamped: false, needsLeader: true };

  const isHeld =
    isSeenUp(evidence) &&
    one.goodSinceMs !== undefined &&
    nowMs - one.goodSinceMs >= holdMs(record.flaps, limits);
  if (!isHeld) return undefined;
  return { ...up, cause: "unplanned", flaps: record.flaps, isRamped: true, needsLeader: true };
}

/**
 * A verdict older than the session of every living federator was left by an earlier run of the whole federation: nobody who
 * saw the cluster fail is left, and nothing was served in between, so its return needs no hold. A federator that restarts
 * alone does not make it so, because the sessions of the others are older than the verdict they carried; and the session of
 * one that died counts until the catalog has expired it.
 */
function isFromEarlierRun(recordRevision: number, sessionRevisions: readonly number[]): boolean {
  return (
    sessionRevisions.length > 0 &&
    sessionRevisions.every((sessionRevision) => sessionRevision > recordRevision)
  );
}

/** How long a cluster must look good before it returns: twice as long after each flap. */
export function holdMs(
  flaps: number,
  { upHoldMs, upHoldMaxMs }: Pick<VerdictLimits, "upHoldMs" | "upHoldMaxMs">,
): number {
  return Math.min(upHoldMaxMs, upHoldMs * 2 ** Math.max(0, flaps - 1));
}
