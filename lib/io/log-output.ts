import { fstatSync, write, writeSync } from "node:fs";

/** Lines wait for a slow reader up to this much; more are dropped. */
const PENDING_BYTES_MAX = 1_048_576;
/** What the system takes in one piece, so that lines of several writers never mix: a pipe `PIPE_BUF` (pipe(7)), a file anything. */
const PIECE_BYTES_MAX = { pipe: 4_096, file: 65_536 };

export interface LogOutputOptions {
  readonly fd: number;
  /** Lines gather to this much before they are written; 0 writes each as soon as it can be. */
  readonly batchBytes: number;
  /** Lines were lost, and now they can be written again. */
  readonly onLost: (lines: number) => void;
}

/** As a logger wants its destination. */
export interface LogOutput {
  readonly write: (line: string) => void;
  /** Hands whatever waits to the system; lines begun before may follow it. */
  readonly flush: () => void;
  /** Writes what waits now, each piece tried once: for the end of a program. */
  readonly flushSync: () => void;
}

/**
 * Where log lines go. It never waits for a reader or for space on a disk, and never fails: what cannot be written is dropped and
 * counted. A program must not stop because of its log.
 */
export function logOutput({ fd, batchBytes, onLost }: LogOutputOptions): LogOutput {
  let pending: string[] = [];
  let pendingBytes = 0;
  let isWriting = false;
  let lostLines = 0;
  /** The last piece was cut short: the next one begins a line of its own. */
  let isTorn = false;
  const pieceBytesMax = fstatSync(fd).isFile() ? PIECE_BYTES_MAX.file : PIECE_BYTES_MAX.pipe;

  const takeBatch = (): Batch => {
    let count = 0;
    let bytes = 0;
    for (const line of pending) {
      const lineBytes = Buffer.byteLength(line);
      if (count > 0 && bytes + lineBytes > pieceBytesMax) break;
      count += 1;
      bytes += lineBytes;
    }
    const lines = pending.slice(0, count);
    pending = pending.slice(count);
    pendingBytes -= bytes;
    const text = lines.join("");
    // The end of the torn line is a line too, and that one is lost already.
    return isTorn
      ? { lines: count + 1, lostBefore: 1, content: Buffer.from(`\n${text}`) }
      : { lines: count, lostBefore: 0, content: Buffer.from(text) };
  };
  const settle = ({ lines, lostBefore, content }: Batch, writtenBytes: number): void => {
    if (writtenBytes > 0) isTorn = content[writtenBytes - 1] !== NEWLINE;
    if (writtenBytes < content.length) {
      const kept = Math.max(lostBefore, newlinesIn(content.subarray(0, writtenBytes)));
      lostLines += lines - kept;
      return;
    }
    const lost = lostLines;
    lostLines = 0;
    if (lost > 0) onLost(lost);
  };
  const writeNext = (): void => {
    if (isWriting || pending.length === 0) return;
    isWriting = true;
    const batch = takeBatch();
    writeAll(fd, batch.content, 0, (writtenBytes) => {
      isWriting = false;
      settle(batch, writtenBytes);
      if (pendingBytes >= batchBytes) writeNext();
    });
  };
  return {
    write: (line) => {
      const bytes = Buffer.byteLength(line);
      if (pendingBytes + bytes > PENDING_BYTES_MAX) {
        lostLines += 1;
        return;
      }
      pending.push(line);
      pendingBytes += bytes;
      if (pendingBytes >= batchBytes) writeNext();
    },
    flush: writeNext,
    flushSync: () => {
      while (pending.length > 0) {
        const batch = takeBatch();
        settle(batch, writeOnce(fd, batch.content));
      }
    },
  };
}

interface Batch {
  readonly lines: number;
  /** How many of them were counted as lost before. */
  readonly lostBefore: number;
  readonly content: Buffer;
}

const NEWLINE = 10;

const newlinesIn = (content: Buffer): number => content.filter((byte) => byte === NEWLINE).length;

/** A disk that is nearly full takes a part first and refuses the rest. */
function writeAll(fd: number, content: Buffer, from: number, done: (bytes: number) => void): void {
  write(fd, content, from, content.length - from, null, (error, bytes) => {
    if (error !== null) return done(from);
    const until = from + bytes;
    if (until < content.length && bytes > 0) return writeAll(fd, content, until, done);
    done(until);
  });
}

function writeOnce(fd: number, content: Buffer): number {
  try {
    return writeSync(fd, content);
  } catch {
    return 0;
  }
}
