/** Calls of one version that wait for an instance: first in, first out, never more than `lengthMax`. */
export interface ColdStartQueue<T> {
  readonly length: () => number;
  /** The longest-waiting call. */
  readonly oldest: () => T | undefined;
  /** False when the queue is full: the call has to be refused. */
  readonly join: (call: T, deadlineMs: number) => boolean;
  /** The longest-waiting call that still has time; those whose time is up stay for `takeExpired`. */
  readonly takeNext: (nowMs: number) => T | undefined;
  readonly takeExpired: (nowMs: number) => readonly T[];
  /** True if it was waiting: its caller is gone. */
  readonly leave: (call: T) => boolean;
  readonly takeAll: () => readonly T[];
}

export function coldStartQueue<T>(lengthMax: number): ColdStartQueue<T> {
  // A Map keeps the order of insertion and forgets from the middle in constant time.
  const waiting = new Map<T, number>();
  const take = (calls: readonly T[]): readonly T[] => {
    for (const call of calls) waiting.delete(call);
    return calls;
  };
  return {
    length: () => waiting.size,
    oldest: () => waiting.keys().next().value,
    join: (call, deadlineMs) => {
      if (waiting.size >= lengthMax) return false;
      waiting.set(call, deadlineMs);
      return true;
    },
    takeNext: (nowMs) => {
      for (const [call, deadlineMs] of waiting) {
        if (deadlineMs <= nowMs) continue;
        waiting.delete(call);
        return call;
      }
      return undefined;
    },
    takeExpired: (nowMs) =>
      take([...waiting].filter(([, deadlineMs]) => deadlineMs <= nowMs).map(([call]) => call)),
    leave: (call) => waiting.delete(call),
    takeAll: () => take([...waiting.keys()]),
  };
}
