import { LINK_FRAME, LINK_PART_BYTES_MAX } from "#lib/contracts/link-frames.ts";
import { encodeFrame, encodeFrameHead } from "#lib/frames.ts";
import type { StreamedBody } from "../ports.ts";

/** The body of a streamed call on its way to the agent. */
export interface BodyOnItsWay {
  /** The agent takes so many bytes more. */
  readonly credit: (bytes: number) => void;
  /** The function has agreed to the upgrade that was asked for: now the body may begin. */
  readonly agreed: () => void;
  /** No more of it is wanted. */
  readonly stop: () => void;
}

export interface BodyPorts {
  readonly send: (frame: Buffer) => void;
  readonly hasRoom: () => boolean;
  readonly onRoom: (listener: () => void) => void;
  /** Whether the caller may have nothing to say, and is not slow. */
  readonly mayRest: () => boolean;
  /** It was sent to its end. */
  readonly onEnd: () => void;
  /** The caller did not send it to its end. */
  readonly onLost: (error: unknown) => void;
}

/** Sends a body as it comes from the caller, who is asked for no byte that the agent has not given credit for. */
export function streamCallBody(
  callId: number,
  body: StreamedBody,
  { send, hasRoom, onRoom, mayRest, onEnd, onLost }: BodyPorts,
): BodyOnItsWay {
  let creditBytes = 0;
  let isAgreed = body.upgrade === undefined;
  let isStopped = false;
  let chunks: AsyncIterator<Uint8Array> | undefined;
  let wake = (): void => undefined;

  const mustWait = (): boolean => !isStopped && !(isAgreed && creditBytes > 0 && hasRoom());
  /** False when it was stopped meanwhile. */
  const mayGo = async (): Promise<boolean> => {
    while (mustWait()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (!hasRoom()) onRoom(resolve);
      await promise;
    }
    return !isStopped;
  };
  const sendChunk = async (chunk: Uint8Array): Promise<void> => {
    let rest = chunk;
    while (rest.length > 0 && (await mayGo())) {
      const part = rest.subarray(0, Math.min(LINK_PART_BYTES_MAX, creditBytes));
      rest = rest.subarray(part.length);
      creditBytes -= part.length;
      send(encodeFrameHead(LINK_FRAME.part, callId, part.length));
      send(Buffer.from(part.buffer, part.byteOffset, part.length));
    }
  };
  const run = async (): Promise<void> => {
    try {
      while (await mayGo()) {
        chunks ??= body.read(mayRest);
        const { done, value } = await chunks.next();
        if (isStopped) return;
        if (done !== true) await sendChunk(value);
        else {
          send(encodeEnd(callId, body.trailers()));
          onEnd();
          return;
        }
      }
    } catch (error) {
      if (isStopped) return;
      send(encodeFrame(LINK_FRAME.broken, callId));
      onLost(error);
    }
  };
  void run();

  return {
    credit: (bytes) => {
      creditBytes += bytes;
      wake();
    },
    agreed: () => {
      isAgreed = true;
      wake();
    },
    stop: () => {
      isStopped = true;
      wake();
      void chunks?.return?.();
    },
  };
}

function encodeEnd(callId: number, trailers: Readonly<Record<string, string>>): Buffer {
  const payload =
    Object.keys(trailers).length === 0 ? [] : [Buffer.from(JSON.stringify({ trailers }))];
  return encodeFrame(LINK_FRAME.end, callId, payload);
}
