import type { Duplex } from "node:stream";

/** Copying small frames into one is cheaper than to hand them over one by one; of large ones a copy costs more. */
const JOINED_BYTES_MAX = 32 * 1024;

/** Sends frames over a connection; those of one turn of the loop go out in one write. */
export interface FrameWriter {
  readonly send: (frame: Buffer) => void;
  /** Sends what is waiting, then nothing more. */
  readonly end: () => void;
}

export function frameWriter(connection: Duplex): FrameWriter {
  let waiting: Buffer[] = [];
  const flush = (): void => {
    const frames = waiting;
    waiting = [];
    if (connection.destroyed || frames.length === 0) return;
    const [first] = frames;
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    if (frames.length === 1 && first !== undefined) connection.write(first);
    else if (bytes <= JOINED_BYTES_MAX) connection.write(Buffer.concat(frames, bytes));
    else {
      connection.cork();
      for (const frame of frames) connection.write(frame);
      connection.uncork();
    }
  };
  return {
    send: (frame) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push(frame);
    },
    end: () => {
      flush();
      connection.end();
    },
  };
}
