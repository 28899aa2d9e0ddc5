import type { Readable } from "node:stream";
import type { Clock } from "#lib/ports/clock.ts";
import { type PaceLimits, slackAfter } from "../core/transfer-pace.ts";

export interface BodyChunksPorts {
  readonly limits: PaceLimits;
  readonly clock: Clock;
  /** Before the first byte is asked for. */
  readonly invite: () => void;
  readonly onBytes: (bytes: number) => void;
  /** Whether the caller may have nothing to say, and is not slow. */
  readonly mayRest: () => boolean;
  /** The caller is slower than it may be. */
  readonly onLate: () => void;
  /** What to say of a body whose connection broke. */
  readonly brokeOff: (cause?: unknown) => Error;
}

export interface BodyChunks extends AsyncIterableIterator<Uint8Array> {
  /** Whoever reads is told this instead of what may still come. */
  readonly fail: (error: Error) => void;
}

type Read = IteratorResult<Uint8Array, undefined>;
const DONE: Read = { done: true, value: undefined };

/**
 * A body as it arrives. Unlike a stream's own iterator it can be left while the next chunk is awaited, and then leaves the stream
 * alone: an answer may come before its request has ended.
 */
export function bodyChunks(stream: Readable, ports: BodyChunksPorts): BodyChunks {
  const { limits, clock } = ports;
  let failure: Error | undefined;
  let isBegun = false;
  let isLeft = false;
  let slackMs = limits.stallMs;
  let waitingSinceMs = 0;
  let timer: NodeJS.Timeout | undefined;
  let waiting: PromiseWithResolvers<Read> | undefined;

  const settle = (take: (reader: PromiseWithResolvers<Read>) => void): void => {
    const reader = waiting;
    waiting = undefined;
    clearTimeout(timer);
    if (reader !== undefined) take(reader);
  };
  const leave = (): void => {
    isLeft = true;
    stream.off("readable", look).off("end", look).off("error", onError).off("close", onClose);
  };
  const fail = (error: Error): void => {
    failure ??= error;
    leave();
    settle((reader) => reader.reject(error));
  };
  const onError = (cause: unknown): void => fail(ports.brokeOff(cause));
  const onClose = (): void => {
    if (!stream.readableEnded) fail(ports.brokeOff());
  };
  /** Gives whoever waits what is there. */
  function look(): void {
    if (waiting === undefined) return;
    const chunk: unknown = stream.read();
    if (chunk instanceof Uint8Array) {
      const waitedMs = clock.nowMs() - waitingSinceMs;
      slackMs = slackAfter(slackMs, waitedMs, chunk.length, limits);
      ports.onBytes(chunk.length);
      settle((reader) => reader.resolve({ done: false, value: chunk }));
    } else if (stream.readableEnded) {
      leave();
      settle((reader) => reader.resolve(DONE));
    }
  }
  const onLate = (): void => {
    if (!ports.mayRest()) return ports.onLate();
    slackMs = limits.stallMs;
    keepTime();
  };
  const keepTime = (): void => {
    waitingSinceMs = clock.nowMs();
    timer = setTimeout(onLate, Math.max(1, slackMs));
  };
  const begin = (): void => {
    isBegun = true;
    if (stream.destroyed && !stream.readableEnded) return fail(ports.brokeOff());
    stream.on("readable", look).on("end", look).on("error", onError).on("close", onClose);
    try {
      ports.invite();
    } catch (cause) {
      fail(ports.brokeOff(cause));
    }
  };

  return {
    fail,
    next: async () => {
      if (!isBegun && !isLeft) begin();
      if (failure !== undefined) throw failure;
      if (isLeft) return DONE;
      const reader = Promise.withResolvers<Read>();
      waiting = reader;
      waitingSinceMs = clock.nowMs();
      look();
      if (waiting !== undefined) keepTime();
      return reader.promise;
    },
    return: async () => {
      leave();
      settle((reader) => reader.resolve(DONE));
      return DONE;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
