import type { IncomingMessage } from "node:http";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";

/** An upload that brings less than this, looked at each window of waiting for it, only holds a place that others need. */
const BYTES_A_SECOND_MIN = 16 * 1024;
const WINDOW_MS = 10_000;
const BYTES_A_WINDOW_MIN = (BYTES_A_SECOND_MIN * WINDOW_MS) / 1_000;

/** The body, as long as it keeps coming. Time in which its reader was busy with the last piece is not held against the sender. */
export async function* arrivingBody(
  raw: IncomingMessage,
  clock: Clock,
): AsyncGenerator<Uint8Array, void, undefined> {
  // By default the iterator closes the connection when its reader stops early, and the answer with it.
  const pieces = raw.iterator({ destroyOnReturn: false });
  let window = { bytes: 0, waitedMs: 0 };
  for (let next = pieces.next(); ;) {
    const beganMs = clock.nowMs();
    const piece = await inTime(next, WINDOW_MS - window.waitedMs, clock);
    window.waitedMs += clock.nowMs() - beganMs;
    if (piece?.done === true) return;
    if (piece !== undefined) window.bytes += piece.value.length;
    if (window.waitedMs >= WINDOW_MS) {
      if (window.bytes < BYTES_A_WINDOW_MIN) {
        // Whoever waited for the next piece is gone; that it fails when the connection ends is news to nobody.
        next.catch(() => undefined);
        throw tooSlow();
      }
      window = { bytes: 0, waitedMs: 0 };
    }
    if (piece === undefined) continue;
    yield piece.value;
    next = pieces.next();
  }
}

/** What comes first; undefined where the time was over before. */
async function inTime<T>(
  next: Promise<T>,
  timeoutMs: number,
  clock: Clock,
): Promise<T | undefined> {
  const arrived = new AbortController();
  const over = clock.sleep(Math.max(timeoutMs, 0), arrived.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([next, over]);
  } finally {
    arrived.abort();
  }
}

const tooSlow = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_REQUEST_TIMEOUT",
    `The upload brought less than ${BYTES_A_SECOND_MIN / 1024} KiB/s for ${WINDOW_MS / 1_000} s; send it again over a faster line.`,
  );
