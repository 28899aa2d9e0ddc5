import type { Clock } from "#lib/ports/clock.ts";

/** A receiver that reads nothing for so long is cut off; it connects again when it can. */
const BLOCKED_MAX_MS = 10_000;

/** As much of a writable stream as a feed needs; a response is one, and so is a simulated network's. */
export interface FeedStream {
  readonly writable: boolean;
  readonly write: (line: Buffer) => boolean;
  readonly destroy: () => unknown;
  readonly on: (event: "drain" | "error" | "close", listener: () => void) => unknown;
}

export interface FeedConnection {
  /** Something may have to be said. */
  readonly pump: () => void;
  /** Cuts off a receiver that has read nothing for too long. */
  readonly expire: () => void;
  readonly close: () => void;
}

/**
 * Writes lines while the receiver takes them. Nothing is queued: what to say is asked for only when there is room, so a slow
 * receiver gets the newest state and never what it missed in between.
 */
export function feedConnection(
  stream: FeedStream,
  nextLine: () => Buffer | undefined,
  clock: Clock,
  onClosed: () => void,
): FeedConnection {
  let blockedSinceMs: number | undefined;
  const pump = (): void => {
    if (blockedSinceMs !== undefined || !stream.writable) return;
    for (let line = nextLine(); line !== undefined; line = nextLine())
      if (!stream.write(line)) {
        blockedSinceMs = clock.nowMs();
        return;
      }
  };
  stream.on("drain", () => {
    blockedSinceMs = undefined;
    pump();
  });
  // A broken connection also closes, and that is where it is dealt with.
  stream.on("error", () => undefined);
  stream.on("close", onClosed);
  return {
    pump,
    expire: () => {
      if (blockedSinceMs !== undefined && clock.nowMs() - blockedSinceMs >= BLOCKED_MAX_MS)
        stream.destroy();
    },
    close: () => {
      stream.destroy();
    },
  };
}
