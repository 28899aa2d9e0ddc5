/** How often something happened in the last ten seconds. */
export interface SlidingCount {
  readonly add: (nowMs: number) => void;
  readonly total: (nowMs: number) => number;
}

/** The window slides in steps of one second. */
const WINDOW_SECONDS = 10;

export function createSlidingCount(): SlidingCount {
  const counts = Array.from({ length: WINDOW_SECONDS }, () => 0);
  let newestSecond = Number.NEGATIVE_INFINITY;
  const slideTo = (nowMs: number): void => {
    const second = Math.floor(nowMs / 1_000);
    const passed = Math.min(WINDOW_SECONDS, second - newestSecond);
    for (let step = 0; step < passed; step += 1) counts[slotOf(second - step)] = 0;
    newestSecond = Math.max(newestSecond, second);
  };
  return {
    add: (nowMs) => {
      slideTo(nowMs);
      const slot = slotOf(newestSecond);
      counts[slot] = (counts[slot] ?? 0) + 1;
    },
    total: (nowMs) => {
      slideTo(nowMs);
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}

const slotOf = (second: number): number =>
  ((second % WINDOW_SECONDS) + WINDOW_SECONDS) % WINDOW_SECONDS;
