import { Readable } from "node:stream";

export interface CreditedStream {
  readonly readable: Readable;
  /** Throws where it is more than there was credit for. */
  readonly push: (part: Buffer) => void;
  /** The body is whole. */
  readonly end: () => void;
  /** It breaks off: whoever reads it fails. */
  readonly fail: (reason: Error) => void;
}

export interface CreditOptions {
  /** Bytes that may be on their way or wait to be read. */
  readonly windowBytes: number;
  /** Of those, what the sender may send without being told. */
  readonly initialBytes: number;
  readonly giveCredit: (bytes: number) => void;
  /** Its reader has left it before its end. */
  readonly onLeft: () => void;
}

/** A body that comes in parts over a shared connection: its sender gets credit as it is read, so that it holds up nobody else's. */
export function creditedStream(options: CreditOptions): CreditedStream {
  const { windowBytes } = options;
  /** What the sender may still send. */
  let creditBytes = options.initialBytes;
  let isOver = false;

  const readable = new Readable({
    highWaterMark: Math.ceil(windowBytes / 4),
    read: () => {
      const dueBytes = windowBytes - creditBytes - readable.readableLength;
      // In large steps: a frame for each small read would cost more than the bytes.
      if (isOver || (creditBytes > 0 && dueBytes < windowBytes / 4)) return;
      creditBytes += dueBytes;
      options.giveCredit(dueBytes);
    },
    destroy: (reason, done) => {
      if (!isOver) options.onLeft();
      isOver = true;
      done(reason);
    },
  });
  // Whoever reads it hears of it too; until somebody does it must not end the process.
  readable.on("error", () => undefined);

  return {
    readable,
    push: (part) => {
      if (isOver) return;
      if (part.length > creditBytes) throw new Error("a body's sender exceeds its credit");
      creditBytes -= part.length;
      if (part.length > 0) readable.push(part);
    },
    end: () => {
      if (isOver) return;
      isOver = true;
      readable.push(null);
    },
    fail: (reason) => {
      isOver = true;
      readable.destroy(reason);
    },
  };
}
