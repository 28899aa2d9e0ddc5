import { Value } from "typebox/value";
import {
  type ErrorPayload,
  FRAME_BYTES_MAX,
  FRAME_KIND,
  type InvokeHeader,
  RunningCalls,
} from "#lib/contracts/instance-frames.ts";
import { encodeHeadedFrame, type Frame, frameReader, parseJson } from "#lib/frames.ts";

export const invokeFrame = (callId: number, header: InvokeHeader, event: Buffer): Buffer =>
  encodeHeadedFrame(FRAME_KIND.invoke, callId, header, event);

/** Of what an instance sends. */
export const instanceFrameReader = (onFrame: (frame: Frame) => void): ((chunk: Buffer) => void) =>
  frameReader(FRAME_BYTES_MAX, onFrame);

/** Throws on more than the instance may have been given, and on what no runner of ours says. */
export function readRunningCalls(ready: Buffer, callsMax: number): RunningCalls {
  const { running } = (parseJson(ready) ?? {}) as { running?: unknown };
  if (running === undefined) return [];
  const calls = Value.Parse(RunningCalls, running);
  const ids = new Set(calls.map(({ callId }) => callId));
  if (ids.size < calls.length || ids.size > callsMax)
    throw new Error(`an instance for ${callsMax} calls says that it runs ${calls.length}`);
  return calls;
}

const TEXT_MAX = 8_192;
const STACK_LINES_MAX = 50;

/** An instance is not trusted: whatever it sent as an error becomes one. */
export function readErrorPayload(payload: Buffer): ErrorPayload {
  const sent = parseJson(payload);
  const { errorMessage, errorType, stackTrace, isCrash } = (
    typeof sent === "object" && sent !== null ? sent : {}
  ) as Record<string, unknown>;
  return {
    errorMessage: typeof errorMessage === "string" ? errorMessage.slice(0, TEXT_MAX) : "",
    errorType: typeof errorType === "string" ? errorType.slice(0, 256) : "Error",
    ...(isCrash === true ? { isCrash } : {}),
    ...(Array.isArray(stackTrace)
      ? {
          stackTrace: stackTrace
            .slice(0, STACK_LINES_MAX)
            .map((line) => String(line).slice(0, TEXT_MAX)),
        }
      : {}),
  };
}
