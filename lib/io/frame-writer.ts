import type { Duplex } from "node:stream";

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
    connection.write(frames.length === 1 && first !== undefined ? first : Buffer.concat(frames));
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
