import type { Writable } from "node:stream";

/** A receiver that reads nothing for so long is cut off; it connects again when it can. */
const BLOCKED_MAX_MS = 10_000;

export interface FeedConnection {
  /** Something may have to be said. */
  readonly pump: () => void;
  readonly close: () => void;
}

/**
 * Writes lines while the receiver takes them. Nothing is queued: what to say is asked for only when there is room, so a slow
 * receiver gets the newest state and never what it missed in between.
 */
export function feedConnection(
  stream: Writable,
  nextLine: () => string | undefined,
  onClosed: () => void,
): FeedConnection {
  let blocked: NodeJS.Timeout | undefined;
  const pump = (): void => {
    while (blocked === undefined && stream.writable) {
      const line = nextLine();
      if (line === undefined) return;
      if (!stream.write(line)) blocked = setTimeout(() => stream.destroy(), BLOCKED_MAX_MS);
    }
  };
  stream.on("drain", () => {
    clearTimeout(blocked);
    blocked = undefined;
    pump();
  });
  // A broken connection also closes, and that is where it is dealt with.
  stream.on("error", () => undefined);
  stream.on("close", () => {
    clearTimeout(blocked);
    onClosed();
  });
  return {
    pump,
    close: () => {
      clearTimeout(blocked);
      stream.destroy();
    },
  };
}
