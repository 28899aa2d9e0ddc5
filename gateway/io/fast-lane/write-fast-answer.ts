import { IncomingMessage, STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { responseOnSocket } from "../response-on-socket.ts";
import { PIECE_BYTES } from "../send-body.ts";
import {
  dropBody,
  headersOf,
  isBodiless,
  type LeavingAnswer,
  writeAnswer,
  type WriteOptions,
} from "../write-answer.ts";

export interface FastAnswerOptions extends WriteOptions {
  readonly method: string;
  /** What a caller is told of a connection that goes on, as Node's server tells it. */
  readonly keepAlive: string;
  /** All of it was taken; never, where the connection breaks before. */
  readonly onSent: () => void;
}

/** Sends an answer as Node's server would, byte for byte: nearly all in one write, head and all. */
export function writeFastAnswer(
  socket: Socket,
  leaving: LeavingAnswer,
  options: FastAnswerOptions,
): void {
  const { answer, isLast, bodyCount } = leaving;
  const { status, body } = answer;
  if (!socket.writable) return dropBody(body);
  if (body instanceof Readable || body.length > PIECE_BYTES)
    return writeThroughNode(socket, leaving, options);
  const { clock, keepAlive, onSent } = options;
  const headers = headersOf(answer);
  delete headers["trailer"];
  if (isLast) headers["connection"] = "close";
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n${linesOf(headers)}`;
  if (headers["date"] === undefined) text += `Date: ${httpDate(clock.wallMs())}\r\n`;
  if (!isLast) text += `Connection: keep-alive\r\nKeep-Alive: ${keepAlive}\r\n`;
  text += "\r\n";
  if (!isBodiless(status)) {
    text += latin1Of(body);
    bodyCount.answerBytes += Buffer.byteLength(body);
  }
  socket.write(text, "latin1");
  // Nearly always the system has taken it by now.
  if (socket.writableLength === 0) onSent();
  else waitUntilTaken(socket, options);
}

/** What is left of a small answer has the time that it may stand still. */
function waitUntilTaken(socket: Socket, { limits, onSent }: FastAnswerOptions): void {
  const timer = setTimeout(() => socket.destroy(), limits.stallMs);
  socket.once("close", () => clearTimeout(timer));
  socket.write("", (error) => {
    clearTimeout(timer);
    if (!(error instanceof Error)) onSent();
  });
}

/** As fast as the caller reads, by the response that the other lane uses. */
function writeThroughNode(
  socket: Socket,
  leaving: LeavingAnswer,
  options: FastAnswerOptions,
): void {
  const { answer, isLast } = leaving;
  const { method, keepAlive, onSent } = options;
  const asked = Object.assign(new IncomingMessage(socket), {
    method,
    httpVersionMajor: 1,
    httpVersionMinor: 1,
  });
  const response = responseOnSocket(socket, asked, () => {
    response.emit("close");
    onSent();
  });
  const headers = isLast ? answer.headers : { ...answer.headers, "keep-alive": keepAlive };
  writeAnswer(response, { ...leaving, answer: { ...answer, headers } }, options);
}

function linesOf(headers: Readonly<Record<string, string | readonly string[]>>): string {
  let lines = "";
  for (const name of Object.keys(headers)) {
    const value = headers[name] ?? "";
    // Node's own judgement: what a function says in a header must not become another one.
    validateHeaderName(name);
    for (const one of typeof value === "string" ? [value] : value) {
      validateHeaderValue(name, one);
      lines += `${name}: ${one}\r\n`;
    }
  }
  return lines;
}

function latin1Of(body: Uint8Array | string): string {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

let dateSecond = 0;
let dateText = "";

/** It changes once a second. */
function httpDate(wallMs: number): string {
  const second = Math.floor(wallMs / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(wallMs).toUTCString();
  }
  return dateText;
}
