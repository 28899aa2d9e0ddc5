import {
  LINK_CREDIT_BYTES,
  LINK_FRAME,
  LINK_FRAME_BYTES_MAX,
  LINK_PART_BYTES_MAX,
} from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeFrameHead, encodeHeadedFrame } from "#lib/frames.ts";
import type { BodyStream, ServedAnswer, StreamedAnswer } from "../core/read-answer.ts";
import { unsendableAnswer } from "./answer-outcome.ts";

/** Sends one answer, no further ahead of its reader than the credit goes. */
export interface AnswerSender {
  /** Resolves when all of it is sent, or nobody wants it; never rejects. */
  readonly send: (answer: ServedAnswer) => Promise<void>;
  readonly credit: (bytes: number) => void;
  /** Nobody wants it any more. */
  readonly stop: () => void;
}

export function answerSender(callId: number, send: (frame: Buffer) => void): AnswerSender {
  let creditBytes = LINK_CREDIT_BYTES;
  let isStopped = false;
  let stream: BodyStream | undefined;
  let onCredit: (() => void) | undefined;

  const wake = (): void => {
    onCredit?.();
    onCredit = undefined;
  };
  const sendParts = async (bytes: Buffer): Promise<void> => {
    let rest = bytes;
    while (rest.length > 0) {
      if (isStopped) return;
      if (creditBytes === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        onCredit = resolve;
        await promise;
        continue;
      }
      const part = rest.subarray(0, Math.min(LINK_PART_BYTES_MAX, creditBytes));
      rest = rest.subarray(part.length);
      creditBytes -= part.length;
      send(encodeFrameHead(LINK_FRAME.part, callId, part.length));
      send(part);
    }
  };
  /** False where the gateway would not take the head, and would cut the link with all its calls: it has another answer then. */
  const begin = (answer: ServedAnswer, isWhole: boolean, beginning: Buffer): boolean => {
    const { status, headers } = answer;
    const frame = answerFrame(callId, { status, headers, isWhole }, beginning);
    if (frame.length <= LINK_FRAME_BYTES_MAX) {
      send(frame);
      return true;
    }
    const { body, ...head } = unsendableAnswer(answer);
    send(answerFrame(callId, { ...head, isWhole: true }, body));
    return false;
  };
  const sendStream = async (answer: StreamedAnswer): Promise<void> => {
    ({ stream } = answer);
    if (!begin(answer, false, NOTHING)) return void stream.destroy();
    try {
      for await (const chunk of stream) await sendParts(chunk);
      if (!isStopped) send(encodeEnd(callId, answer.trailers()));
    } catch {
      // Whatever broke it is told where it happened; its reader has to know that it is not whole.
      if (!isStopped) send(encodeFrame(LINK_FRAME.broken, callId));
    }
  };
  return {
    send: async (answer) => {
      if ("stream" in answer) {
        if (isStopped) answer.stream.destroy();
        else await sendStream(answer);
        return;
      }
      if (isStopped) return;
      const { body } = answer;
      const isWhole = body.length <= LINK_PART_BYTES_MAX;
      const beginning = body.subarray(0, LINK_PART_BYTES_MAX);
      if (!begin(answer, isWhole, beginning) || isWhole) return;
      creditBytes -= beginning.length;
      await sendParts(body.subarray(beginning.length));
      if (!isStopped) send(encodeFrame(LINK_FRAME.end, callId));
    },
    credit: (bytes) => {
      creditBytes += bytes;
      wake();
    },
    stop: () => {
      isStopped = true;
      stream?.destroy();
      wake();
    },
  };
}

const NOTHING = Buffer.alloc(0);

type AnswerHead = Pick<ServedAnswer, "status" | "headers"> & { readonly isWhole: boolean };

const answerFrame = (callId: number, head: AnswerHead, beginning: Buffer): Buffer =>
  encodeHeadedFrame(LINK_FRAME.answer, callId, head, beginning);

function encodeEnd(callId: number, trailers: Readonly<Record<string, string>>): Buffer {
  const hasTrailers = Object.keys(trailers).length > 0;
  const payload = hasTrailers ? [Buffer.from(JSON.stringify({ trailers }))] : [];
  return encodeFrame(LINK_FRAME.end, callId, payload);
}
