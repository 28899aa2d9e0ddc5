export interface OneAtATime<T> {
  /** Works on the value as soon as nothing else runs; a value that waits is replaced by a newer one. */
  readonly offer: (value: T) => void;
  /** Resolves once nothing runs or waits. */
  readonly settled: () => Promise<void>;
}

/** Runs slow work on the newest value, never twice at the same time. `work` must not reject. */
export function oneAtATime<T>(work: (value: T) => Promise<void>): OneAtATime<T> {
  let waiting: { readonly value: T } | undefined;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    while (waiting !== undefined) {
      const { value } = waiting;
      waiting = undefined;
      await work(value);
    }
    running = undefined;
  };
  return {
    offer: (value) => {
      waiting = { value };
      running ??= run();
    },
    settled: async () => {
      await running;
    },
  };
}
