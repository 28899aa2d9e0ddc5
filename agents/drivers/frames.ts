import {
  type ErrorPayload,
  FRAME_BYTES_MAX,
  FRAME_KIND,
  type FrameKind,
  type InvokeHeader,
} from "#lib/contracts/instance-frames.ts";

export interface Frame {
  readonly kind: number;
  readonly callId: number;
  readonly payload: Buffer;
}

/** Bytes between the length and the payload: kind and call id. */
const HEAD_BYTES = 5;

export function encodeFrame(
  kind: FrameKind,
  callId: number,
  payload: readonly Buffer[] = [],
): Buffer {
  const length = HEAD_BYTES + payload.reduce((bytes, part) => bytes + part.length, 0);
  const head = Buffer.allocUnsafe(4 + HEAD_BYTES);
  head.writeUInt32BE(length, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt32BE(callId, 5);
  return Buffer.concat([head, ...payload], 4 + length);
}

export function invokeFrame(callId: number, header: InvokeHeader, event: Buffer): Buffer {
  const headerJson = Buffer.from(JSON.stringify(header));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(headerJson.length);
  return encodeFrame(FRAME_KIND.invoke, callId, [length, headerJson, event]);
}

/** Takes bytes as they come and hands on whole frames; throws on one that is longer than the contract allows. */
export function frameReader(onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let needed = 4;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    // Joining only once enough is there keeps a large frame linear.
    if (bytes < needed) return;
    let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes);
    needed = 4;
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length < HEAD_BYTES || length > FRAME_BYTES_MAX)
        throw new Error(`a frame says it is ${length} bytes long`);
      if (rest.length < 4 + length) {
        needed = 4 + length;
        break;
      }
      onFrame({
        kind: rest.readUInt8(4),
        callId: rest.readUInt32BE(5),
        payload: rest.subarray(4 + HEAD_BYTES, 4 + length),
      });
      rest = rest.subarray(4 + length);
    }
    chunks = rest.length === 0 ? [] : [rest];
    bytes = rest.length;
  };
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

/** Undefined for what is not JSON. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
