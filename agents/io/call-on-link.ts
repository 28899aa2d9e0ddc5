import type { Logger } from "pino";
import { BODY_BYTES_MAX, INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import {
  LINK_CREDIT_BYTES,
  LINK_FRAME,
  LINK_PART_BYTES_MAX,
  type LinkCall,
} from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeHeadedFrame } from "#lib/frames.ts";
import { MeridianError } from "#lib/errors.ts";
import type { FunctionAnswer } from "../core/read-answer.ts";
import { type AnswerPlace, refusalAnswer } from "./answer-outcome.ts";
import { bodyBrokeOff, bodyTooLarge } from "./body-limits.ts";
import type { ServeExchange, StartLeave } from "./exchange.ts";

export interface CallOnLinkPorts {
  readonly send: (frame: Buffer) => void;
  readonly serve: ServeExchange;
  readonly place: AnswerPlace;
  /** Whether frames may have waited here unread: their gateway may have gone elsewhere since. */
  readonly hasStalled: () => boolean;
  readonly log: Logger;
}

/** One call of a link, and what its gateway says of it after the head. */
export interface CallOnLink {
  readonly part: (bytes: Buffer) => void;
  readonly go: () => void;
  readonly cancel: () => void;
  readonly credit: (bytes: number) => void;
  /** Resolves when the answer is sent, or nobody wants it and nothing of the call runs; never rejects. */
  readonly over: Promise<void>;
}

/** A slot is not kept longer for a gateway that says neither `go` nor `cancel`. */
const GO_LIMIT_MS = 2_000;

export function callOnLink(
  callId: number,
  head: LinkCall,
  beginning: Buffer,
  ports: CallOnLinkPorts,
): CallOnLink {
  const { send, place } = ports;
  const callerGone = new AbortController();
  const body = collectBody(head.bodyBytes);
  /** Of the question that is open, if one is: what is said to it counts for no later one. */
  let decide: ((mayStart: boolean) => void) | undefined;
  let isCancelled = false;
  const answering = answerSender(callId, send);
  body.add(beginning);

  const askForGo = async (): Promise<boolean> => {
    if (isCancelled) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    decide = resolve;
    send(encodeFrame(LINK_FRAME.ready, callId));
    const limit = setTimeout(() => resolve(false), GO_LIMIT_MS);
    const isGo = await promise;
    clearTimeout(limit);
    decide = undefined;
    return isGo;
  };
  const leave: StartLeave = {
    waits: () => send(encodeFrame(LINK_FRAME.waiting, callId)),
    ask: (hasWaited) =>
      head.startsOn === "slot" && !hasWaited && !ports.hasStalled() ? true : askForGo(),
  };
  const serve = async (): Promise<FunctionAnswer> => {
    const { headers } = head;
    try {
      return await ports.serve({
        headers,
        readBody: body.whole,
        callerGone: callerGone.signal,
        leave,
      });
    } catch (error) {
      if (!(error instanceof MeridianError)) ports.log.error({ err: error }, "a request failed");
      return refusalAnswer(place, headers[INVOCATION_HEADERS.requestId], error);
    }
  };

  return {
    part: body.add,
    go: () => decide?.(true),
    cancel: () => {
      isCancelled = true;
      callerGone.abort();
      decide?.(false);
      body.breakOff();
      answering.stop();
    },
    credit: answering.credit,
    over: serve().then(answering.send),
  };
}

/** A call's body from its parts; the gateway knows its length beforehand. */
function collectBody(bytesExpected: number) {
  const whole = Promise.withResolvers<Buffer>();
  // It may break off when nobody waits for it any more.
  whole.promise.catch(() => undefined);
  const parts: Buffer[] = [];
  let bytes = 0;
  if (bytesExpected > BODY_BYTES_MAX) whole.reject(bodyTooLarge());
  return {
    add: (part: Buffer): void => {
      bytes += part.length;
      if (bytesExpected > BODY_BYTES_MAX) return;
      parts.push(part);
      if (bytes > bytesExpected) whole.reject(bodyBrokeOff());
      if (bytes === bytesExpected)
        whole.resolve(parts.length === 1 ? part : Buffer.concat(parts, bytes));
    },
    breakOff: () => whole.reject(bodyBrokeOff()),
    whole: () => whole.promise,
  };
}

/** Sends the answer, no further ahead of its reader than the credit goes. */
function answerSender(callId: number, send: (frame: Buffer) => void) {
  const sent = Promise.withResolvers<void>();
  let rest: Buffer = Buffer.alloc(0);
  let creditBytes = LINK_CREDIT_BYTES;
  let isStopped = false;

  const sendParts = (): void => {
    while (rest.length > 0 && creditBytes > 0) {
      const part = rest.subarray(0, Math.min(LINK_PART_BYTES_MAX, creditBytes));
      rest = rest.subarray(part.length);
      creditBytes -= part.length;
      send(encodeFrame(LINK_FRAME.part, callId, [part]));
    }
    if (rest.length > 0) return;
    send(encodeFrame(LINK_FRAME.end, callId));
    sent.resolve();
  };
  return {
    send: ({ status, headers, body }: FunctionAnswer): Promise<void> | undefined => {
      if (isStopped) return undefined;
      const isWhole = body.length <= LINK_PART_BYTES_MAX;
      const beginning = body.subarray(0, LINK_PART_BYTES_MAX);
      const head = { status, headers, isWhole };
      send(encodeHeadedFrame(LINK_FRAME.answer, callId, head, beginning));
      if (isWhole) return undefined;
      creditBytes -= beginning.length;
      rest = body.subarray(beginning.length);
      sendParts();
      return sent.promise;
    },
    credit: (bytes: number): void => {
      creditBytes += bytes;
      if (rest.length > 0) sendParts();
    },
    stop: () => {
      isStopped = true;
      rest = rest.subarray(rest.length);
      sent.resolve();
    },
  };
}
