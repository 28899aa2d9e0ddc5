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

/** So many servers and one queue in front of them, first come, first served. */
export function queueingCluster(slots: number, time: VirtualTime) {
  const waiting: (() => void)[] = [];
  let busy = 0;
  return {
    serve: (callMs: number, ended: (waitedMs: number) => void): void => {
      const cameAtMs = time.nowMs();
      const run = (): void => {
        const waitedMs = time.nowMs() - cameAtMs;
        busy += 1;
        time.in(callMs, () => {
          busy -= 1;
          ended(waitedMs);
          waiting.shift()?.();
        });
      };
      if (busy < slots) run();
      else waiting.push(run);
    },
  };
}
