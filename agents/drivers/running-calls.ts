import { FRAME_KIND } from "#lib/contracts/instance-frames.ts";
import type { CallEnd } from "./driver.ts";
import type { Frame } from "#lib/frames.ts";
import { readErrorPayload } from "./frames.ts";

const CALL_ID_MAX = 0xffff_ffff;

/** The calls that one instance runs, by the number they have in frames. */
export interface RunningCalls {
  readonly begin: (requestId: string) => { callId: number; outcome: Promise<CallEnd> };
  readonly isRunning: (callId: number) => boolean;
  /** Undefined outside of calls. */
  readonly requestIdOf: (callId: number) => string | undefined;
  /** A result or an error: the call's end. */
  readonly onEnd: (frame: Frame) => void;
  readonly endAll: (end: CallEnd) => void;
}

export function runningCalls(): RunningCalls {
  const calls = new Map<
    number,
    { readonly requestId: string; readonly settle: (end: CallEnd) => void }
  >();
  let nextId = 1;
  return {
    begin: (requestId) => {
      const callId = nextId;
      nextId = nextId === CALL_ID_MAX ? 1 : nextId + 1;
      const { promise, resolve } = Promise.withResolvers<CallEnd>();
      calls.set(callId, { requestId, settle: resolve });
      return { callId, outcome: promise };
    },
    isRunning: (callId) => calls.has(callId),
    requestIdOf: (callId) => calls.get(callId)?.requestId,
    onEnd: ({ kind, callId, payload }) => {
      const call = calls.get(callId);
      calls.delete(callId);
      call?.settle(
        kind === FRAME_KIND.result
          ? // A copy, because the payload is a view into what was read.
            { kind: "result", json: Buffer.from(payload) }
          : { kind: "error", error: readErrorPayload(payload) },
      );
    },
    endAll: (end) => {
      for (const { settle } of calls.values()) settle(end);
      calls.clear();
    },
  };
}
