import { monitorEventLoopDelay } from "node:perf_hooks";

const NANOSECONDS_PER_MS = 1e6;
/** A lag counts for one to two of these after it happened. */
const WINDOW_MS = 1_000;

export interface EventLoopLag {
  /** The longest time this process did not come to its turn lately. */
  readonly lagMs: () => number;
  readonly close: () => void;
}

export function watchEventLoopLag(): EventLoopLag {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  let windowBeforeMs = 0;
  const timer = setInterval(() => {
    windowBeforeMs = delay.max / NANOSECONDS_PER_MS;
    delay.reset();
  }, WINDOW_MS);
  timer.unref();
  return {
    lagMs: () => Math.max(windowBeforeMs, delay.max / NANOSECONDS_PER_MS),
    close: () => {
      clearInterval(timer);
      delay.disable();
    },
  };
}
