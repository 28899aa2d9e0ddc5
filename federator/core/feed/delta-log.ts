import type { Position } from "#lib/contracts/route-table.ts";

/** A receiver that is further behind than this many touched entries is better served with the whole table. */
const TOUCHED_MAX = 20_000;

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
  /** Only those that touched something. */
  let steps: Step[] = [];
  let touchedCount = 0;

  const forgetOldest = (): void => {
    let forgotten = 0;
    while (touchedCount > TOUCHED_MAX) {
      const oldest = steps[forgotten];
      if (oldest === undefined) break;
      baseRevision = oldest.revision;
      touchedCount -= oldest.touched.length;
      forgotten += 1;
    }
    if (forgotten > 0) steps = steps.slice(forgotten);
  };
  const firstAfter = (revision: number): number => {
    let low = 0;
    let high = steps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((steps[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    append: (position, touched) => {
      newestRevision = position.revision;
      if (touched.length === 0) return;
      steps.push({ revision: position.revision, touched });
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
      return new Set(steps.slice(firstAfter(from.revision)).flatMap(({ touched }) => touched));
    },
  };
}
