import type { Position } from "#lib/contracts/route-table.ts";

/** A receiver that is further behind than this many touched entries is better served with the whole table. */
const TOUCHED_MAX = 20_000;
/** Revisions that touch no entry are remembered too; so many of them at most. */
const STEPS_MAX = 5_000;

/** Which entries each of the newest positions touched: enough to bring a receiver from any of them to now. */
export interface DeltaLog {
  readonly append: (position: Position, touched: readonly string[]) => void;
  /** Forgets everything: the way to this position is not known step by step. */
  readonly restart: (position: Position) => void;
  /** Entries touched after the position; undefined when it is not on the remembered way. */
  readonly touchedSince: (from: Position) => ReadonlySet<string> | undefined;
}

interface Step {
  readonly revision: number;
  readonly touched: readonly string[];
}

export function deltaLog(): DeltaLog {
  let incarnation = "";
  let baseRevision = 0;
  let newestRevision = -1;
  let steps: Step[] = [];
  let touchedCount = 0;

  const forgetOldest = (): void => {
    let forgotten = 0;
    while (touchedCount > TOUCHED_MAX || steps.length - forgotten > STEPS_MAX) {
      const oldest = steps[forgotten];
      if (oldest === undefined) break;
      baseRevision = oldest.revision;
      touchedCount -= oldest.touched.length;
      forgotten += 1;
    }
    if (forgotten > 0) steps = steps.slice(forgotten);
  };

  return {
    append: (position, touched) => {
      steps.push({ revision: position.revision, touched });
      newestRevision = position.revision;
      touchedCount += touched.length;
      forgetOldest();
    },
    restart: (position) => {
      ({ incarnation, revision: baseRevision } = position);
      newestRevision = position.revision;
      steps = [];
      touchedCount = 0;
    },
    touchedSince: (from) => {
      if (from.incarnation !== incarnation) return undefined;
      if (from.revision < baseRevision || from.revision > newestRevision) return undefined;
      const touched = new Set<string>();
      for (const step of steps)
        if (step.revision > from.revision) for (const key of step.touched) touched.add(key);
      return touched;
    },
  };
}
