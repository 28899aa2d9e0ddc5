/** How often `up` looks after its programs. */
export const TICK_MS = 50;
/** Beats come each 200 ms; a gateway silent for this long is withdrawn, so that a frozen one is gone within a second. */
export const SILENCE_LIMIT_MS = 900;

/**
 * Silence so far, after one more tick without a beat. A tick counts no more than twice its normal length: when `up` itself was
 * stalled or the machine slept, beats are waiting to be read, and nobody may be killed for that.
 */
export const addSilence = (silentMs: number, sinceLastTickMs: number): number =>
  silentMs + Math.min(Math.max(sinceLastTickMs, 0), 2 * TICK_MS);
