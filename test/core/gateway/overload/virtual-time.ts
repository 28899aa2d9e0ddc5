/** Time in whole milliseconds, which passes only by steps. */
export interface VirtualTime {
  readonly nowMs: () => number;
  readonly in: (afterMs: number, what: () => void) => void;
  /** To the next millisecond, and through what was planned for it. */
  readonly step: () => void;
}

export function virtualTime(): VirtualTime {
  const planned = new Map<number, (() => void)[]>();
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    in: (afterMs, what) => {
      const dueMs = nowMs + Math.max(1, Math.round(afterMs));
      const others = planned.get(dueMs);
      if (others === undefined) planned.set(dueMs, [what]);
      else others.push(what);
    },
    step: () => {
      nowMs += 1;
      for (const what of planned.get(nowMs) ?? []) what();
      planned.delete(nowMs);
    },
  };
}
