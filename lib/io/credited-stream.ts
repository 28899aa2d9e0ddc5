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

/** Of small parts as many as fit share a buffer: one each would take a hundred times what it holds. */
const SHARED_BYTES = 4 * 1024;

/** A body that comes in parts over a shared connection: its sender gets credit as it is read, so that it holds up nobody else's. */
export function creditedStream(options: CreditOptions): CreditedStream {
  const { windowBytes } = options;
  const waiting = waitingParts();
  /** What the sender may still send. */
  let creditBytes = options.initialBytes;
  let isOver = false;
  let isEnded = false;
  /** Whether its reader has nothing, and was promised the next part. */
  let isAsked = false;

  const handOver = (part: Buffer): void => {
    isAsked = false;
    readable.push(part);
  };
  const readable = new Readable({
    // It asks when it has nothing left: what waits longer is kept here.
    highWaterMark: 1,
    read: () => {
      isAsked = true;
      const next = waiting.take();
      if (next !== undefined) handOver(next);
      else if (isEnded) readable.push(null);
      const dueBytes = windowBytes - creditBytes - readable.readableLength - waiting.bytes();
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
      if (part.length === 0) return;
      if (isAsked || readable.readableLength + waiting.bytes() === 0) handOver(part);
      else waiting.add(part);
    },
    end: () => {
      if (isOver) return;
      isOver = true;
      isEnded = true;
      if (waiting.bytes() === 0) readable.push(null);
    },
    fail: (reason) => {
      isOver = true;
      readable.destroy(reason);
    },
  };
}

/** In their order. */
function waitingParts() {
  const parts: Buffer[] = [];
  let shared = Buffer.alloc(0);
  let sharedBytes = 0;
  let bytes = 0;
  const closeShared = (): void => {
    if (sharedBytes > 0) parts.push(shared.subarray(0, sharedBytes));
    shared = shared.subarray(sharedBytes);
    sharedBytes = 0;
  };
  return {
    bytes: () => bytes,
    add: (part: Buffer): void => {
      bytes += part.length;
      if (sharedBytes + part.length > shared.length) closeShared();
      if (part.length >= SHARED_BYTES) return void parts.push(part);
      if (part.length > shared.length) shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
      sharedBytes += part.copy(shared, sharedBytes);
    },
    take: (): Buffer | undefined => {
      if (parts.length === 0) closeShared();
      const part = parts.shift();
      bytes -= part?.length ?? 0;
      return part;
    },
  };
}
