import { LINK_CREDIT_BYTES, LINK_FRAME, LINK_PART_BYTES_MAX } from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeFrameHead, encodeHeadedFrame } from "#lib/frames.ts";
import type { BodyStream, ServedAnswer, StreamedAnswer } from "../core/read-answer.ts";

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
  const sendStream = async (answer: StreamedAnswer): Promise<void> => {
    const { status, headers } = answer;
    ({ stream } = answer);
    send(
      encodeHeadedFrame(LINK_FRAME.answer, callId, { status, headers, isWhole: false }, NOTHING),
    );
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
      const { status, headers, body } = answer;
      const isWhole = body.length <= LINK_PART_BYTES_MAX;
      const beginning = body.subarray(0, LINK_PART_BYTES_MAX);
      const head = { status, headers, isWhole };
      send(encodeHeadedFrame(LINK_FRAME.answer, callId, head, beginning));
      if (isWhole) return;
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

function encodeEnd(callId: number, trailers: Readonly<Record<string, string>>): Buffer {
  const hasTrailers = Object.keys(trailers).length > 0;
  const payload = hasTrailers ? [Buffer.from(JSON.stringify({ trailers }))] : [];
  return encodeFrame(LINK_FRAME.end, callId, payload);
}
