import { DRIFT_SHARE } from "../remote-clock.ts";

/** How the clock of another process stands to ours, as its quickest message showed it. */
export interface Transit {
  /** Our time of receipt less its time of sending, for a message without any delay. */
  readonly quickestMs: number;
  readonly notedAtMs: number;
}

/**
 * How old a message is that was sent at `sentAtMs` of a clock we know nothing of: what it took longer than the quickest one.
 * So what waited in a queue, or in the kernel's while this process stood still, does not pass for news.
 */
export function noteTransit(
  before: Transit | undefined,
  sentAtMs: number,
  nowMs: number,
): { readonly transit: Transit; readonly ageMs: number } {
  const tookMs = nowMs - sentAtMs;
  const expectedMs =
    before === undefined
      ? tookMs
      : before.quickestMs + Math.max(0, nowMs - before.notedAtMs) * DRIFT_SHARE;
  const quickestMs = Math.min(tookMs, expectedMs);
  return { transit: { quickestMs, notedAtMs: nowMs }, ageMs: tookMs - quickestMs };
}
