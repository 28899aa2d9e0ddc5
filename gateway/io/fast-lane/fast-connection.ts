import type { Socket } from "node:net";
import type { BodyCount } from "../../core/body-count.ts";
import {
  PLAIN_HEAD_BYTES_MAX,
  type PlainRequest,
  readPlainRequest,
} from "../../core/plain-request.ts";
import type { Answer } from "../../ports.ts";
import type { DoorOptions } from "../door.ts";
import { askWhoEnded, type DueAnswer } from "../half-closed.ts";
import { REQUESTS_PER_CONNECTION_MAX } from "../http1-door.ts";
import { endSlowly } from "../refuse-raw.ts";
import { type FastCall, fastCall } from "./fast-call.ts";
import { writeFastAnswer } from "./write-fast-answer.ts";

export interface FastLaneOptions extends DoorOptions {
  /** Who serves what is not plain. */
  readonly giveBack: (socket: Socket) => void;
  /** Connections without a request under way. */
  readonly idle: Set<Socket>;
}

/** A request that is not whole by then is waited for by those who know how long it may take. */
const WHOLE_WITHIN_MS = 100;

/**
 * Serves one plain request after the other. No byte is kept here: what is not being served stays in the socket, so that the
 * connection can be given away at any time.
 */
export function serveConnection(socket: Socket, options: FastLaneOptions): void {
  const { handler, log, limits, clock, isDraining, countStreamed, giveBack, idle } = options;
  const peer = socket.remoteAddress ?? "";
  const keepAlive = `timeout=${Math.floor(limits.idleTimeoutMs / 1_000)}, max=${REQUESTS_PER_CONNECTION_MAX}`;
  let call: FastCall | undefined;
  let isAnswering = false;
  let served = 0;
  /** The beginning of a request that is not whole yet. */
  let begun: { readonly sinceMs: number; readonly timer: NodeJS.Timeout } | undefined;
  let begunBytes = 0;

  const onReadable = (): void => {
    // To be told the end it has to be read.
    if (socket.readableLength === 0) socket.read();
    else if (call === undefined && socket.readableLength > begunBytes) readNext();
  };
  const readNext = (): void => {
    const bytes: unknown = socket.read();
    if (!Buffer.isBuffer(bytes)) return;
    const request = readPlainRequest(bytes.toString("latin1", 0, PLAIN_HEAD_BYTES_MAX));
    if (request.kind === "plain" && bytes.length >= endOf(request)) return serve(request, bytes);
    socket.unshift(bytes);
    if (request.kind === "other") giveAway();
    else waitForMore(bytes.length);
  };
  const waitForMore = (bytes: number): void => {
    begunBytes = bytes;
    begun ??= { sinceMs: clock.nowMs(), timer: setTimeout(giveAway, WHOLE_WITHIN_MS) };
  };
  const stopWaiting = (): void => {
    clearTimeout(begun?.timer);
    begun = undefined;
    begunBytes = 0;
  };

  const serve = (request: PlainRequest, bytes: Buffer): void => {
    const receivedAtMs = begun?.sinceMs ?? clock.nowMs();
    stopWaiting();
    if (bytes.length > endOf(request)) socket.unshift(bytes.subarray(endOf(request)));
    const body = bytes.subarray(request.headBytes, endOf(request));
    idle.delete(socket);
    served += 1;
    call = fastCall({ request, body, peer, receivedAtMs, countStreamed });
    const { bodyCount } = call.arrival;
    handler(call.arrival)
      .then((answer) => send(request.method, answer, bodyCount))
      .catch((error: unknown) => {
        log.error({ err: error }, "an answer could not be written");
        socket.destroy();
      });
  };
  const send = (method: string, answer: Answer, bodyCount: BodyCount): void => {
    const isLast = isDraining() || served >= REQUESTS_PER_CONNECTION_MAX || socket.readableEnded;
    isAnswering = true;
    const onSent = (): void => {
      if (socket.destroyed) return;
      call?.end();
      call = undefined;
      isAnswering = false;
      if (isLast || socket.readableEnded) close();
      else goOn();
    };
    writeFastAnswer(
      socket,
      { answer, bodyCount, isLast },
      { ...options, method, keepAlive, onSent },
    );
  };
  const goOn = (): void => {
    idle.add(socket);
    if (socket.readableLength > 0) readNext();
  };
  /** Requests that came behind the last are not read; a reset over them would take the answer with it. */
  const close = (): void => {
    letGo();
    if (socket.readableLength > 0) endSlowly(socket);
    else socket.destroySoon();
  };

  /** Nothing is left to be read: what is due now is the last answer. */
  const onEnd = (): void => {
    if (call === undefined) socket.end();
    else askWhoEnded(socket, dueAnswer);
  };
  const dueAnswer = (): DueAnswer | undefined =>
    call && { hasBegun: isAnswering, mayBeAnnounced: true };
  const onClose = (): void => {
    letGo();
    call?.leave();
  };
  // A connection that fails closes, which is when its call is told.
  const onError = (): void => undefined;
  const onTimeout = (): void => {
    if (call === undefined) socket.destroy();
  };
  const letGo = (): void => {
    stopWaiting();
    idle.delete(socket);
    socket.setTimeout(0, onTimeout).off("readable", onReadable).off("end", onEnd);
  };
  const giveAway = (): void => {
    letGo();
    socket.off("close", onClose).off("error", onError);
    giveBack(socket);
  };

  idle.add(socket);
  socket.setTimeout(limits.idleTimeoutMs, onTimeout);
  socket.on("readable", onReadable).on("end", onEnd).on("error", onError).once("close", onClose);
}

const endOf = ({ headBytes, bodyBytes }: PlainRequest): number => headBytes + bodyBytes;
