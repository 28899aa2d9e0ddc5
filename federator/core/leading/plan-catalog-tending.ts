/** The newest revision as it was at a time. */
export interface RevisionSample {
  readonly atMs: number;
  readonly revision: number;
}

export interface HistoryLimits {
  /** History younger than this is never forgotten. */
  readonly historyMs: number;
  /** And so much of it is kept for a zone that lives and lags. */
  readonly historyMsMax: number;
}

export interface Compaction {
  /** Forget history up to and including this one; null when all of it is to be kept. */
  readonly compactTo: number | null;
  /** Samples still needed, oldest first. */
  readonly samples: readonly RevisionSample[];
}

/**
 * What the history may forget: nothing younger than `historyMs`, and nothing that a replica which lives has not applied yet, unless
 * it is older than `historyMsMax`. A leader that has just begun knows no old revisions, and forgets nothing for a while.
 */
export function planCompaction(
  samples: readonly RevisionSample[],
  newest: RevisionSample,
  liveCursors: readonly number[],
  { historyMs, historyMsMax }: HistoryLimits,
): Compaction {
  const known = [...samples, newest].filter(({ atMs }, index, all) => {
    const next = all[index + 1];
    // Of those past the longest limit, the youngest says it all.
    return next === undefined || newest.atMs - next.atMs < historyMsMax || atMs === newest.atMs;
  });
  const revisionAt = (ageMs: number): number =>
    known.findLast(({ atMs }) => newest.atMs - atMs >= ageMs)?.revision ?? 0;
  const slowest = Math.min(...liveCursors, newest.revision);
  const compactTo = Math.max(revisionAt(historyMsMax), Math.min(revisionAt(historyMs), slowest));
  return { compactTo: compactTo > 0 ? compactTo : null, samples: known };
}

/** One member of the catalog's etcd, as it says itself. */
export interface MemberStatus {
  readonly endpoint: string;
  readonly isLeader: boolean;
  readonly databaseBytes: number;
  /** Without what a defragmentation would give back. */
  readonly databaseBytesInUse: number;
}

/** Less free space than this is not worth the pause. */
const FREE_BYTES_WORTHWHILE = 64 * 1024 * 1024;

/**
 * The member to defragment, if any: one at a time, only while all answer, never the leader, since a member stands still meanwhile;
 * the one with most to gain, where half of its file is free.
 */
export function chooseDefragmentation(
  members: readonly (MemberStatus | undefined)[],
): string | null {
  const answering = members.filter((member) => member !== undefined);
  if (answering.length < members.length || answering.length < 3) return null;
  const free = ({ databaseBytes, databaseBytesInUse }: MemberStatus): number =>
    databaseBytes - databaseBytesInUse;
  const [most] = answering
    .filter(({ isLeader }) => !isLeader)
    .filter((member) => free(member) >= FREE_BYTES_WORTHWHILE)
    .filter((member) => free(member) * 2 >= member.databaseBytes)
    .toSorted((one, other) => free(other) - free(one));
  return most?.endpoint ?? null;
}

/** How full the fullest member is, from 0 to 1. */
export const fullestShare = (
  members: readonly (MemberStatus | undefined)[],
  quotaBytes: number,
): number => Math.max(0, ...members.map((member) => (member?.databaseBytes ?? 0) / quotaBytes));
