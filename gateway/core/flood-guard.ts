/** Frames of HTTP/2 that ask for no work: a few are normal, a stream of them is an attack (CVE-2019-9512, CVE-2023-44487). */
export interface FloodGuard {
  readonly idleFrames: number;
  readonly sinceMs: number;
}

const WINDOW_MS = 10_000;
export const IDLE_FRAMES_MAX = 200;

export const calm = (nowMs: number): FloodGuard => ({ idleFrames: 0, sinceMs: nowMs });

/** After one more such frame; `undefined` when those of the last seconds are too many. */
export function countIdleFrame(guard: FloodGuard, nowMs: number): FloodGuard | undefined {
  if (nowMs - guard.sinceMs >= WINDOW_MS) return { idleFrames: 1, sinceMs: nowMs };
  const idleFrames = guard.idleFrames + 1;
  return idleFrames > IDLE_FRAMES_MAX ? undefined : { ...guard, idleFrames };
}
