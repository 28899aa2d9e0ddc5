import type { Logger } from "pino";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { LINK_FRAME, type LinkCall } from "#lib/contracts/link-frames.ts";
import { encodeFrame } from "#lib/frames.ts";
import { MeridianError } from "#lib/errors.ts";
import type { ServedAnswer } from "../core/read-answer.ts";
import { type AnswerPlace, refusalAnswer } from "./answer-outcome.ts";
import type { ServeExchange, StartLeave } from "./exchange.ts";
import { requestBody } from "./request-body.ts";
import { answerSender } from "./send-over-link.ts";

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
  /** Its body is whole; with the payload of the frame. */
  readonly end: (payload: Buffer) => void;
  /** Its body ends, and is not whole. */
  readonly broken: () => void;
  readonly go: () => void;
  readonly cancel: () => void;
  readonly credit: (bytes: number) => void;
  /** Resolves when both sides have said all, or nobody wants the answer and nothing of the call runs; never rejects. */
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
  const body = requestBody(callId, head, send);
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
  const serve = async (): Promise<ServedAnswer> => {
    const { headers } = head;
    try {
      return await ports.serve({
        headers,
        readBody: body.whole,
        streamed: body.streamed,
        callerGone: callerGone.signal,
        leave,
      });
    } catch (error) {
      if (!(error instanceof MeridianError)) ports.log.error({ err: error }, "a request failed");
      return refusalAnswer(place, headers[INVOCATION_HEADERS.requestId], error);
    }
  };

  const answer = async (): Promise<void> => {
    const answered = await serve();
    await answering.send(answered);
    // After a change of protocol the other side may go on talking; nobody listens, but it has to come to its end.
    if (answered.status === 101) await body.readAway();
    else body.breakOff();
  };

  return {
    part: body.add,
    end: body.end,
    broken: body.breakOff,
    go: () => decide?.(true),
    cancel: () => {
      isCancelled = true;
      callerGone.abort();
      decide?.(false);
      body.breakOff();
      answering.stop();
    },
    credit: answering.credit,
    over: answer(),
  };
}
