import type { Host } from "./host.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a connection runs over, one way. */
export interface Line {
  readonly time: VirtualTime;
  readonly isCut: () => boolean;
  /** How long the next item travels. */
  readonly delayMs: () => number;
}

export interface StreamEnds<T> {
  readonly sender: Host;
  readonly receiver: Host;
  readonly onItem: (item: T) => void;
  /** The receiver hears of the end, or of the break. */
  readonly onEnd: () => void;
  /** The sender hears that it broke. */
  readonly onBroken: () => void;
}

/** Everything arrives once and in order, or the connection breaks. */
export interface Stream<T> {
  readonly send: (item: T) => void;
  /** After what was sent so far. */
  readonly end: () => void;
  /** `reset`: both ends hear it, unless the line is cut; `half-open`: nobody does. */
  readonly break: (how: "reset" | "half-open") => void;
  /** How many items are under way; none any more once it is closed. */
  readonly underway: () => number;
  readonly isClosed: () => boolean;
}

/** While the line is cut, it tries again after this, then after twice as long. */
const RETRY_MS = 200;
const RETRY_MAX_MS = 3_200;

export function openStream<T>(line: Line, ends: StreamEnds<T>, onClosed: () => void): Stream<T> {
  const { time } = line;
  const queue: { readonly atMs: number; readonly run: () => void }[] = [];
  let lastAtMs = 0;
  let isClosed = false;
  let isAwaiting = false;
  const close = (): void => {
    isClosed = true;
    queue.length = 0;
    onClosed();
  };

  const arrive = (retryMs: number): void => {
    if (isClosed) return;
    if (line.isCut()) {
      time.schedule(retryMs, () => arrive(Math.min(RETRY_MAX_MS, retryMs * 2)));
      return;
    }
    isAwaiting = false;
    for (let next = queue[0]; next !== undefined && next.atMs <= time.nowMs(); next = queue[0]) {
      queue.shift();
      ends.receiver.deliver(next.run);
    }
    awaitNext();
  };
  const awaitNext = (): void => {
    const next = queue[0];
    if (isAwaiting || next === undefined) return;
    isAwaiting = true;
    time.schedule(next.atMs - time.nowMs(), () => arrive(RETRY_MS));
  };
  const put = (run: () => void): void => {
    if (isClosed) return;
    lastAtMs = Math.max(lastAtMs, time.nowMs() + line.delayMs());
    queue.push({ atMs: lastAtMs, run });
    awaitNext();
  };

  return {
    send: (item) => put(() => isClosed || ends.onItem(item)),
    end: () =>
      put(() => {
        if (isClosed) return;
        close();
        ends.onEnd();
      }),
    break: (how) => {
      if (isClosed) return;
      close();
      if (how === "half-open" || line.isCut()) return;
      time.schedule(line.delayMs(), () => ends.receiver.deliver(ends.onEnd));
      time.schedule(line.delayMs(), () => ends.sender.deliver(ends.onBroken));
    },
    underway: () => queue.length,
    isClosed: () => isClosed,
  };
}
