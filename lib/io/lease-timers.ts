import type { Lease } from "#lib/catalog/history.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** A lease whose end could not be written is tried again after this. */
const RETRY_MS = 1_000;

export interface LeaseTimers {
  readonly count: () => number;
  /** Counts one full time to live from now. */
  readonly start: (lease: Lease) => void;
  readonly renew: (leaseId: string) => "renewed" | "gone";
  readonly drop: (leaseId: string) => void;
  readonly close: () => void;
}

interface Timer {
  readonly ttlMs: number;
  readonly stopping: AbortController;
  endsAtMs: number;
}

/** Ends each lease that is not renewed in time, on the monotonic clock. From then on it is gone, even if writing so fails. */
export function leaseTimers(clock: Clock, end: (leaseId: string) => Promise<void>): LeaseTimers {
  const timers = new Map<string, Timer>();
  const closing = new AbortController();

  const run = async (leaseId: string, timer: Timer): Promise<void> => {
    const { signal } = timer.stopping;
    while (clock.nowMs() < timer.endsAtMs) {
      await clock.sleep(timer.endsAtMs - clock.nowMs(), signal).catch(() => undefined);
      if (signal.aborted) return;
    }
    timers.delete(leaseId);
    while (!(await succeeds(end(leaseId)))) {
      await clock.sleep(RETRY_MS, closing.signal).catch(() => undefined);
      if (closing.signal.aborted) return;
    }
  };

  return {
    count: () => timers.size,
    start: ({ leaseId, ttlMs }) => {
      const timer = { ttlMs, endsAtMs: clock.nowMs() + ttlMs, stopping: new AbortController() };
      timers.set(leaseId, timer);
      void run(leaseId, timer);
    },
    renew: (leaseId) => {
      const timer = timers.get(leaseId);
      if (timer === undefined) return "gone";
      timer.endsAtMs = clock.nowMs() + timer.ttlMs;
      return "renewed";
    },
    drop: (leaseId) => {
      timers.get(leaseId)?.stopping.abort();
      timers.delete(leaseId);
    },
    close: () => {
      closing.abort();
      for (const { stopping } of timers.values()) stopping.abort();
      timers.clear();
    },
  };
}

const succeeds = (work: Promise<void>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );
