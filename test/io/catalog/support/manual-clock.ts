import type { Clock } from "#lib/ports/clock.ts";

export interface ManualClock extends Clock {
  /** Lets the time pass, waking each sleeper at its moment, in order. */
  readonly advance: (byMs: number) => Promise<void>;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** What was woken runs until it waits again. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Time that passes only when told to. */
export function manualClock(): ManualClock {
  let nowMs = 0;
  const sleepers = new Set<Sleeper>();
  return {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = {
          atMs: nowMs + delayMs,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        const abort = () => {
          sleepers.delete(sleeper);
          reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
        };
        if (signal?.aborted === true) abort();
        else signal?.addEventListener("abort", abort, { once: true });
      }),
    advance: async (byMs) => {
      const endMs = nowMs + byMs;
      await settle();
      for (;;) {
        const [next] = [...sleepers]
          .filter(({ atMs }) => atMs <= endMs)
          .toSorted((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        nowMs = Math.max(nowMs, next.atMs);
        next.wake();
        await settle();
      }
      nowMs = endMs;
    },
  };
}
