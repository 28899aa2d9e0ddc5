import type { ClockStamp } from "#lib/contracts/feed.ts";

/** More two good clocks cannot drift apart, as a share of the time that goes by. */
export const DRIFT_SHARE = 0.002;

/** The clock of another process: at `notedAtMs` of ours it showed `atMs` or more. */
export interface RemoteClock extends ClockStamp {
  readonly notedAtMs: number;
}

/** Knows the clock at least as well as before. A stamp of another process, which was late on its way, tells nothing about it. */
export function noteStamp(
  before: RemoteClock | undefined,
  { clockId, atMs }: ClockStamp,
  nowMs: number,
): RemoteClock | undefined {
  if (before?.clockId !== clockId) return before;
  return { clockId, atMs: Math.max(atMs, certainlyAt(before, nowMs)), notedAtMs: nowMs };
}

/** What it showed for certain at a moment of our clock: it may have been further, by as long as its stamp was on its way. */
export function certainlyAt({ atMs, notedAtMs }: RemoteClock, nowMs: number): number {
  const elapsedMs = nowMs - notedAtMs;
  return atMs + elapsedMs - Math.abs(elapsedMs) * DRIFT_SHARE;
}
