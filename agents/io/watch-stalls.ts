import type { Clock } from "#lib/ports/clock.ts";

/** Tells whether this process was kept from running lately: stopped, swapped out, or busy with itself. */
export interface StallWatch {
  readonly hasStalled: () => boolean;
  readonly close: () => void;
}

const BEAT_INTERVAL_MS = 100;
/** A gateway gives a cluster up after three quarters of a second of silence. */
const STALL_MS = 400;
/** What came in meanwhile is read by then. */
const AFTERMATH_MS = 1_000;

export function watchStalls(clock: Clock): StallWatch {
  let beatAtMs = clock.nowMs();
  let stalledAtMs = Number.NEGATIVE_INFINITY;
  const look = (): boolean => {
    const nowMs = clock.nowMs();
    if (nowMs - beatAtMs > STALL_MS) stalledAtMs = nowMs;
    return nowMs - stalledAtMs < AFTERMATH_MS;
  };
  const beating = setInterval(() => {
    look();
    beatAtMs = clock.nowMs();
  }, BEAT_INTERVAL_MS);
  beating.unref();
  // Bytes may be read before the first beat after a stop: whoever asks looks too.
  return { hasStalled: look, close: () => clearInterval(beating) };
}
