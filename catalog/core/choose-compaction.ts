export interface HistoryLimits {
  readonly historyMs: number;
  readonly historyRevisionsMin: number;
  readonly historyRevisionsMax: number;
}

/** The newest revision as it was at a time. */
export interface RevisionSample {
  readonly atMs: number;
  readonly revision: number;
}

export interface CompactionChoice {
  /** Forget history up to and including this one; null when all of it is to be kept. */
  readonly compactTo: number | null;
  /** Samples still needed, oldest first. */
  readonly samples: readonly RevisionSample[];
}

/**
 * Keeps what is younger than `historyMs`, and always the newest `historyRevisionsMin`, and never more than
 * `historyRevisionsMax`. Without old samples, as after a restart, everything counts as young.
 */
export function chooseCompaction(
  samples: readonly RevisionSample[],
  newest: RevisionSample,
  { historyMs, historyRevisionsMin, historyRevisionsMax }: HistoryLimits,
): CompactionChoice {
  const known = [...samples, newest];
  const oldIndex = known.findLastIndex(({ atMs }) => newest.atMs - atMs >= historyMs);
  const oldRevision = known[oldIndex]?.revision ?? 0;
  const forgettable = Math.min(oldRevision, newest.revision - historyRevisionsMin);
  const compactTo = Math.max(forgettable, newest.revision - historyRevisionsMax);
  return {
    compactTo: compactTo > 0 ? compactTo : null,
    samples: known.slice(Math.max(0, oldIndex)),
  };
}
