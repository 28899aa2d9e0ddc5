import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { answerReader, type HttpAnswer } from "../http-answers.ts";

/** One connection with one request in flight at a time. */
export interface Lane {
  readonly send: (request: Buffer) => void;
  readonly close: () => void;
}

export interface LaneEvents {
  readonly onOpen: () => void;
  /** The body is left out of answers that are like the one before in length and status, unless bodies are wanted. */
  readonly onAnswer: (answer: HttpAnswer) => void;
  /** Once, when the other side ended it; not after `close`. */
  readonly onLost: (reason: string) => void;
}

const READ_BYTES = 16 * 1024;
const OK: HttpAnswer = { status: 200, body: "" };

/** Reads into one buffer again and again, so that the load costs little beside what it measures. */
export function openLane(
  { hostname, port }: URL,
  wantsBodies: boolean,
  { onOpen, onAnswer, onLost }: LaneEvents,
): Lane {
  if (hostname !== "127.0.0.1") throw new Error("load is made on this machine alone");
  const read = wantsBodies ? answerReader() : likeTheOneBefore();
  let isOver = false;
  const lose = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    onLost(reason);
  };
  const socket = connect({
    host: hostname,
    port: Number(port),
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (bytes, buffer) => {
        const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytes);
        const answer = read(wantsBodies ? Buffer.from(chunk) : chunk);
        if (answer !== undefined && !isOver) onAnswer(answer);
        return true;
      },
    },
  });
  socket.once("connect", onOpen);
  socket.once("error", (error: NodeJS.ErrnoException) => lose(error.code ?? error.message));
  socket.once("end", () => lose("the server closed the connection"));
  return {
    send: (request) => void socket.write(request),
    close: () => {
      isOver = true;
      socket.destroy();
    },
  };
}

/** Most answers of one server are as long as the one before, and come in one piece: those need not be read. */
function likeTheOneBefore(): (chunk: Buffer) => HttpAnswer | undefined {
  const readFully = answerReader();
  let usualBytes = 0;
  let isFresh = true;
  return (chunk) => {
    if (isFresh && chunk.length === usualBytes && isStatus200(chunk)) return OK;
    const answer = readFully(Buffer.from(chunk));
    if (isFresh && answer?.status === 200) usualBytes = chunk.length;
    isFresh = answer !== undefined;
    return answer;
  };
}

/** `HTTP/1.1 200`: the status stands at 9. */
const isStatus200 = (chunk: Buffer): boolean =>
  chunk[9] === 0x32 && chunk[10] === 0x30 && chunk[11] === 0x30;

/** The bytes of a POST. */
export function requestBytes(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(body);
  return Buffer.from(
    `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n${lines.join("")}content-length: ${length}\r\n\r\n${body}`,
  );
}
