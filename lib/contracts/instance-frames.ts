import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";

/*
 * Agent ↔ instance, over the unix socket the instance opens to the agent: frames of
 *   length (u32, big endian, of what follows) · kind (u8) · call id (u32, big endian, 0 where there is none) · payload
 * JSON payloads are UTF-8. A frame is at most 8 MiB. The runners in `agents/runtimes` speak the same.
 */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;

export const FRAME_KIND = {
  /**
   * Instance → agent, first frame: JSON `{instanceToken}`. Connected means: handler loaded, ready for calls. An instance whose agent is
   * gone connects to the next one on the same path, and names in `running` (RunningCalls) what it was still given by the one before.
   */
  ready: 1,
  /** Instance → agent, instead of `ready`: JSON ErrorPayload with the `instanceToken`; the handler could not be loaded. */
  initError: 2,
  /** Agent → instance: u32 length of a JSON InvokeHeader, the header, then the event as JSON text. */
  invoke: 3,
  /** Instance → agent: the handler's result as JSON text (empty for undefined). */
  result: 4,
  /** Instance → agent: JSON ErrorPayload; the handler threw or rejected. */
  error: 5,
  /** Instance → agent: text a call wrote; call id 0 outside calls. */
  log: 6,
  /** Agent → instance: the caller is gone or out of time. */
  cancel: 7,
  /** Agent → instance: finish what runs, then exit. */
  drain: 8,
  /** Instance → agent, instead of `result`: JSON StreamHead; the answer's body follows in parts. */
  head: 9,
  /** Instance → agent: more of the body, no further than the credit goes. */
  part: 10,
  /** Instance → agent: the body is whole. One that breaks off ends with `error`. */
  end: 11,
  /** Agent → instance: u32, so many more bytes of the body may come. */
  credit: 12,
} as const;

export interface InvokeHeader {
  readonly requestId: string;
  /** Milliseconds left when the frame was sent. */
  readonly deadlineMs: number;
  readonly tenant: string;
  readonly functionName: string;
  readonly functionVersion: string;
  readonly memoryMegabytes: number;
  /** The trace of the call, absent where nobody said one: W3C Trace Context, and the same as AWS X-Ray writes it. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly xrayTraceId?: string;
}

/** Calls that an agent before gave; their results, errors and logs come under their numbers as if this agent had given them. */
export const RunningCalls = Type.Array(
  Type.Object(
    {
      callId: Type.Integer({ minimum: 1, maximum: 0xffff_ffff }),
      requestId: Type.String({ maxLength: 256 }),
      leftMs: Type.Integer({ minimum: 0 }),
    },
    extensible,
  ),
);
export type RunningCalls = Static<typeof RunningCalls>;

/** Bytes of a streamed body that may be on their way before the agent says `credit`. */
export const STREAM_CREDIT_BYTES = 256 * 1024;

/** What a streaming handler said before its first byte: `awslambda.HttpResponseStream.from`, or the content type it set. */
export interface StreamHead {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
}

/** AWS Lambda's error object. */
export interface ErrorPayload {
  readonly errorMessage: string;
  readonly errorType: string;
  readonly stackTrace?: readonly string[];
  /** Nobody caught it: the handler did not end by it, the instance will. */
  readonly isCrash?: boolean;
}
