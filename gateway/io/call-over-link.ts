import { Compile } from "typebox/compile";
import {
  LINK_FRAME,
  LINK_PART_BYTES_MAX,
  LinkAnswer,
  type LinkCall,
} from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeHeadedFrame, readHeadedPayload } from "#lib/frames.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { AgentRequest, FailedOutcome, Outcome } from "../ports.ts";
import type { StartsOn } from "./agent-client.ts";
import { type AnswerBody, answerBody } from "./answer-body.ts";
import { type BodyOnItsWay, streamCallBody } from "./stream-call-body.ts";
import { ANSWER_GRACE_MS, failureToldBy, readProblem, toldFailure } from "./told-failure.ts";

/** One call of a link, as its gateway has it. */
export interface CallOverLink {
  readonly receive: (kind: number, payload: Buffer) => void;
  /** The cluster does not answer pings any more. */
  readonly giveUp: () => void;
  /** The link is lost. */
  readonly lose: (cause: Error) => void;
  /** The agent said that it takes no call as late as this one. */
  readonly turnAway: () => void;
}

export interface CallOverLinkPorts {
  readonly send: (frame: Buffer) => void;
  /** Whether the connection takes more at once, and a way to hear when it does again. */
  readonly hasRoom: () => boolean;
  readonly onRoom: (listener: () => void) => void;
  readonly clock: Clock;
  /** The agent said nothing of the call in all that time. */
  readonly onSilence: () => void;
  /** Once, with the outcome or the beginning of an answer. */
  readonly settle: (outcome: Outcome) => void;
  /** Nothing more of the call is expected. */
  readonly over: () => void;
}

const linkAnswer = Compile(LinkAnswer);
/** More than the second for which an agent waits for a table as new as the gateway's. */
const FIRST_WORD_MS = 2_000;
const UPLOAD_BYTES_PER_MS = 4_096;

/**
 * Sends the call and watches what can have become of it. Until `go` is written, a call that waits for it has not run, whatever
 * happened to the agent: it may be withdrawn and run elsewhere.
 */
export function startCallOverLink(
  callId: number,
  request: AgentRequest,
  startsOn: StartsOn,
  ports: CallOverLinkPorts,
): CallOverLink {
  const { send, clock } = ports;
  let mayHaveBegun = startsOn === "slot";
  let isSettled = false;
  let isOver = false;
  let body: AnswerBody | undefined;
  /** Of an upgraded call, which goes on until both sides have said all. */
  let isBodySent = false;
  let isAnswerEnded = false;
  let isUpgraded = false;

  const finish = (): void => {
    isOver = true;
    streamed?.stop();
    clearTimeout(timer);
    clearTimeout(silence);
    request.callerGone.removeEventListener("abort", onCallerGone);
    ports.over();
  };
  const settle = (outcome: Outcome): void => {
    isSettled = true;
    ports.settle(outcome);
  };
  /** Ends the exchange from here: as this outcome before the answer began, by breaking the answer off after. */
  const withdraw = (outcome: Outcome, reason: string): void => {
    if (isOver) return;
    finish();
    send(encodeFrame(LINK_FRAME.cancel, callId));
    if (!isSettled) settle(outcome);
    body?.breakOff(new Error(reason));
  };
  const failed = (reason: string, cause?: unknown): FailedOutcome => ({
    kind: "failed",
    failure: mayHaveBegun ? "maybe-executed" : "not-begun",
    reason,
    cause,
  });

  const onCallerGone = (): void => withdraw({ kind: "caller-gone" }, "the caller went away");
  const timer = setTimeout(
    () => withdraw({ kind: "out-of-time", wasSent: mayHaveBegun }, "the call's deadline passed"),
    Math.max(0, request.deadlineAtMs + ANSWER_GRACE_MS - clock.nowMs()),
  );

  // An agent that may not start the call says so as soon as it has it whole; where nothing is said the call is better off elsewhere.
  const silence =
    startsOn === "slot"
      ? undefined
      : setTimeout(
          () => {
            withdraw(failed("its agent did not say that it has the call"), "");
            ports.onSilence();
          },
          FIRST_WORD_MS + bodyBytesOf(request) / UPLOAD_BYTES_PER_MS,
        );

  const begin = ({ status, headers, isWhole }: LinkAnswer, beginning: Buffer): void => {
    isUpgraded = status === 101 && asksForUpgrade(request) && !isWhole;
    if (status < 200 && !isUpgraded) {
      withdraw(failed(`its agent answered ${status}, which nobody asked for`), "");
      return;
    }
    if (isUpgraded) streamed?.agreed();
    const failure = failureToldBy(status, headers);
    if (isWhole) {
      finish();
      settle(
        failure === undefined
          ? { kind: "answered", answer: { status, headers, body: beginning } }
          : toldFailure(failure, status, headers, beginning),
      );
      return;
    }
    body = answerBody(beginning, {
      credit: (bytes) => send(encodeFrame(LINK_FRAME.credit, callId, [u32(bytes)])),
      abandon: () => withdraw({ kind: "caller-gone" }, "the answer was abandoned"),
    });
    const { readable, trailers } = body;
    if (failure === undefined)
      settle({ kind: "answered", answer: { status, headers, body: readable, trailers } });
    else
      void readProblem(readable).then((text) => {
        if (!isSettled) settle(toldFailure(failure, status, headers, text));
      });
  };
  const receive = (kind: number, payload: Buffer): void => {
    switch (kind) {
      case LINK_FRAME.waiting:
        clearTimeout(silence);
        if (startsOn === "go" || isSettled) return;
        // From here on it asks before it starts, as any call that had to wait.
        mayHaveBegun = false;
        return;
      case LINK_FRAME.ready:
        clearTimeout(silence);
        mayHaveBegun = true;
        send(encodeFrame(LINK_FRAME.go, callId));
        return;
      case LINK_FRAME.answer: {
        const { head, body: beginning } = readHeadedPayload(payload);
        if (body !== undefined || isSettled || !linkAnswer.Check(head))
          throw new Error("an answer is malformed");
        begin(head, beginning);
        return;
      }
      case LINK_FRAME.part:
        body?.add(payload);
        return;
      case LINK_FRAME.end:
        if (body === undefined) throw new Error("an answer ends that never began");
        body.end(payload);
        isAnswerEnded = true;
        if (!isUpgraded || isBodySent) finish();
        return;
      case LINK_FRAME.broken:
        if (body === undefined) throw new Error("an answer breaks off that never began");
        finish();
        body.breakOff(new Error("the agent broke its answer off"));
        return;
      case LINK_FRAME.credit:
        streamed?.credit(payload.readUInt32BE(0));
        return;
      default:
        // Of a later version.
        return;
    }
  };

  const sendBody = (): BodyOnItsWay | undefined => {
    if (request.body instanceof Uint8Array) {
      sendWhole(callId, request.body, ports, () => isOver);
      return undefined;
    }
    return streamCallBody(callId, request.body, {
      ...ports,
      // Once the function answers, the two are talking: neither has to keep a pace.
      mayRest: () => isSettled,
      onEnd: () => {
        isBodySent = true;
        if (isAnswerEnded) finish();
      },
      onLost: (error) => withdraw({ kind: "body-lost", error }, "the call's body broke off"),
    });
  };

  request.callerGone.addEventListener("abort", onCallerGone, { once: true });
  send(encodeHeadedFrame(LINK_FRAME.call, callId, headOf(request, startsOn), firstPartOf(request)));
  const streamed = sendBody();
  if (request.callerGone.aborted) onCallerGone();

  return {
    receive,
    giveUp: () => {
      if (isSettled || (mayHaveBegun && !request.isIdempotent)) return;
      withdraw(failed("it stopped answering pings"), "");
    },
    lose: (cause) => {
      if (isOver) return;
      finish();
      if (!isSettled) settle(failed(`the link to its agent was lost (${cause.message})`, cause));
      body?.breakOff(cause);
    },
    turnAway: () => {
      if (isOver || isSettled) return;
      finish();
      settle({ kind: "failed", failure: "refused", reason: "its agent is shutting down" });
    },
  };
}

/** The whole body, a large one in parts that let other calls through between them. */
function sendWhole(
  callId: number,
  body: Uint8Array,
  { send, hasRoom, onRoom }: CallOverLinkPorts,
  isOver: () => boolean,
): void {
  let sentBytes = LINK_PART_BYTES_MAX;
  const sendRest = (): void => {
    if (sentBytes >= body.length || isOver()) return;
    if (!hasRoom()) return onRoom(sendRest);
    const part = body.subarray(sentBytes, sentBytes + LINK_PART_BYTES_MAX);
    sentBytes += part.length;
    send(encodeFrame(LINK_FRAME.part, callId, [part]));
    setImmediate(sendRest);
  };
  if (sentBytes < body.length) setImmediate(sendRest);
}

const asksForUpgrade = ({ body }: AgentRequest): boolean =>
  !(body instanceof Uint8Array) && body.upgrade !== undefined;

const bodyBytesOf = ({ body }: AgentRequest): number =>
  body instanceof Uint8Array ? body.length : 0;

const firstPartOf = ({ body }: AgentRequest): Uint8Array =>
  body instanceof Uint8Array ? body.subarray(0, LINK_PART_BYTES_MAX) : NOTHING;

const NOTHING = new Uint8Array();

function headOf({ headers, body }: AgentRequest, startsOn: StartsOn): LinkCall {
  if (body instanceof Uint8Array) return { headers, startsOn, bodyBytes: body.length };
  const { upgrade } = body;
  const streamed = { headers, startsOn, bodyBytes: 0, isStreamed: true };
  return upgrade === undefined ? streamed : { ...streamed, upgrade };
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
