/** A cell to watch: listeners hear the newest value, and a value replaced before they ran is never seen. */
export interface LatestValue<T> {
  readonly get: () => T;
  readonly set: (value: T) => void;
  /** Calls back after each change; returns the function that stops it. */
  readonly subscribe: (listener: (value: T) => void) => () => void;
}

export function latestValue<T>(initial: T): LatestValue<T> {
  let current = initial;
  let isScheduled = false;
  const listeners = new Set<(value: T) => void>();
  const tell = () => {
    isScheduled = false;
    for (const listener of listeners) listener(current);
  };
  return {
    get: () => current,
    set: (value) => {
      current = value;
      if (isScheduled || listeners.size === 0) return;
      isScheduled = true;
      queueMicrotask(tell);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
