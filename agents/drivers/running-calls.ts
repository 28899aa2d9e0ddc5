import {
  type ErrorPayload,
  FRAME_KIND,
  STREAM_CREDIT_BYTES,
} from "#lib/contracts/instance-frames.ts";
import { encodeFrame, type Frame, parseJson } from "#lib/frames.ts";
import { type CreditedStream, creditedStream } from "#lib/io/credited-stream.ts";
import type { InstanceEnd } from "../core/function-error.ts";
import type { SaidHead } from "../core/read-answer.ts";
import type { BreakOff, CallEnd, StreamEnd } from "./driver.ts";
import { readErrorPayload } from "./frames.ts";

const CALL_ID_MAX = 0xffff_ffff;

/** The calls that one instance runs, by the number they have in frames. */
export interface RunningCalls {
  readonly begin: (requestId: string) => { callId: number; outcome: Promise<CallEnd> };
  /** One that an agent before this one gave. */
  readonly takeOver: (callId: number, requestId: string) => { outcome: Promise<CallEnd> };
  /** Tells the handler that nobody waits for the call any more. */
  readonly cancel: (callId: number) => void;
  /** Undefined outside of calls. */
  readonly requestIdOf: (callId: number) => string | undefined;
  /** Of a call's answer. Throws on what no runner of ours sends. */
  readonly onFrame: (frame: Frame) => void;
  readonly endAll: (end: InstanceEnd) => void;
}

interface RunningCall {
  readonly requestId: string;
  readonly settle: (end: CallEnd) => void;
  stream?: AnswerStream;
}

interface AnswerStream extends CreditedStream {
  readonly isLeft: () => boolean;
  readonly settle: (end: StreamEnd) => void;
}

export function runningCalls(send: (frame: Buffer) => void): RunningCalls {
  const calls = new Map<number, RunningCall>();
  let nextId = 1;

  const cancel = (callId: number): void => {
    if (calls.has(callId)) send(encodeFrame(FRAME_KIND.cancel, callId));
  };
  const beginStream = (callId: number, call: RunningCall, head: SaidHead): void => {
    if (call.stream !== undefined) throw new Error("an answer begins twice");
    const over = Promise.withResolvers<StreamEnd>();
    let isLeft = false;
    const body = creditedStream({
      windowBytes: STREAM_CREDIT_BYTES,
      initialBytes: STREAM_CREDIT_BYTES,
      giveCredit: (bytes) => send(creditFrame(callId, bytes)),
      onLeft: () => {
        isLeft = true;
        cancel(callId);
      },
    });
    call.stream = { ...body, isLeft: () => isLeft, settle: over.resolve };
    const answer = { head, body: body.readable, trailers: () => ({}), over: over.promise };
    call.settle({ kind: "stream", answer });
  };
  const breakOff = (call: RunningCall, end: BreakOff): void => {
    const { stream } = call;
    if (stream === undefined) return call.settle(end);
    stream.fail(new Error("the function's answer broke off"));
    stream.settle(stream.isLeft() && end.kind === "error" ? { kind: "left" } : end);
  };

  const add = (callId: number, requestId: string): Promise<CallEnd> => {
    const { promise, resolve } = Promise.withResolvers<CallEnd>();
    calls.set(callId, { requestId, settle: resolve });
    return promise;
  };

  return {
    begin: (requestId) => {
      while (calls.has(nextId)) nextId = following(nextId);
      const callId = nextId;
      nextId = following(callId);
      return { callId, outcome: add(callId, requestId) };
    },
    takeOver: (callId, requestId) => ({ outcome: add(callId, requestId) }),
    cancel,
    requestIdOf: (callId) => calls.get(callId)?.requestId,
    onFrame: ({ kind, callId, payload }) => {
      const call = calls.get(callId);
      if (call === undefined) return;
      if (kind === FRAME_KIND.head) return beginStream(callId, call, readHead(payload));
      if (kind === FRAME_KIND.part) return streamOf(call).push(payload);
      calls.delete(callId);
      if (kind === FRAME_KIND.error)
        return breakOff(call, { kind: "error", error: readErrorPayload(payload) });
      if (kind === FRAME_KIND.end) {
        const stream = streamOf(call);
        stream.end();
        return stream.settle({ kind: stream.isLeft() ? "left" : "whole" });
      }
      if (call.stream !== undefined) return breakOff(call, { kind: "error", error: twoAnswers });
      // A copy, because the payload is a view into what was read.
      call.settle({ kind: "result", json: Buffer.from(payload) });
    },
    endAll: (end) => {
      for (const call of calls.values()) breakOff(call, { kind: "ended", end });
      calls.clear();
    },
  };
}

const following = (callId: number): number => (callId === CALL_ID_MAX ? 1 : callId + 1);

function streamOf({ stream }: RunningCall): AnswerStream {
  if (stream === undefined) throw new Error("an answer goes on that did not begin");
  return stream;
}

const twoAnswers: ErrorPayload = {
  errorType: "Runtime.InvalidAnswer",
  errorMessage: "The handler streamed an answer and returned another one.",
};

function readHead(payload: Buffer): SaidHead {
  const said = parseJson(payload);
  return typeof said === "object" && said !== null ? said : {};
}

function creditFrame(callId: number, bytes: number): Buffer {
  const credit = Buffer.allocUnsafe(4);
  credit.writeUInt32BE(bytes);
  return encodeFrame(FRAME_KIND.credit, callId, [credit]);
}
