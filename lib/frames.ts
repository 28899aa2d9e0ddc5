/*
 * Frames on a connection, the same between agent and instance and between gateway and agent:
 *   length (u32, big endian, of what follows) · kind (u8) · call id (u32, big endian) · payload
 */

export interface Frame {
  readonly kind: number;
  readonly callId: number;
  readonly payload: Buffer;
}

/** Bytes between the length and the payload: kind and call id. */
const HEAD_BYTES = 5;
const PAYLOAD_AT = 4 + HEAD_BYTES;

export function encodeFrame(
  kind: number,
  callId: number,
  payload: readonly Uint8Array[] = [],
): Buffer {
  const payloadBytes = payload.reduce((bytes, part) => bytes + part.length, 0);
  const frame = beginFrame(kind, callId, payloadBytes);
  let at = PAYLOAD_AT;
  for (const part of payload) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** What goes before a payload that is sent as it is, without a copy of it. */
export function encodeFrameHead(kind: number, callId: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(PAYLOAD_AT);
  head.writeUInt32BE(HEAD_BYTES + payloadBytes, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt32BE(callId, 5);
  return head;
}

/** A frame whose payload is u32 length of a JSON head, the head, then a body. */
export function encodeHeadedFrame(
  kind: number,
  callId: number,
  head: unknown,
  body: Uint8Array,
): Buffer {
  const headText = JSON.stringify(head);
  const headBytes = Buffer.byteLength(headText);
  const frame = beginFrame(kind, callId, 4 + headBytes + body.length);
  frame.writeUInt32BE(headBytes, PAYLOAD_AT);
  frame.write(headText, PAYLOAD_AT + 4);
  frame.set(body, PAYLOAD_AT + 4 + headBytes);
  return frame;
}

function beginFrame(kind: number, callId: number, payloadBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(PAYLOAD_AT + payloadBytes);
  frame.writeUInt32BE(HEAD_BYTES + payloadBytes, 0);
  frame.writeUInt8(kind, 4);
  frame.writeUInt32BE(callId, 5);
  return frame;
}

export interface HeadedPayload {
  /** Undefined where it is not JSON. */
  readonly head: unknown;
  readonly body: Buffer;
}

export function readHeadedPayload(payload: Buffer): HeadedPayload {
  if (payload.length < 4) return { head: undefined, body: payload };
  const bodyAt = 4 + payload.readUInt32BE(0);
  return { head: parseJson(payload.subarray(4, bodyAt)), body: payload.subarray(bodyAt) };
}

/**
 * Takes bytes as they come and hands on whole frames; throws on one that is longer than `bytesMax`. Frames of the kind `inPieces`
 * are handed on as they come, in one piece or several: their payloads are parts of something longer anyway, and joining copies them.
 */
export function frameReader(
  bytesMax: number,
  onFrame: (frame: Frame) => void,
  inPieces?: number,
): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let needed = 4;
  /** What is still to come of a frame that is handed on in pieces. */
  let begun = { callId: 0, leftBytes: 0 };

  const handOn = (kind: number, callId: number, payload: Buffer): void =>
    onFrame({ kind, callId, payload });
  /** What of the chunk is not of the frame that was begun. */
  const goOn = (chunk: Buffer): Buffer => {
    const { callId, leftBytes } = begun;
    if (leftBytes === 0 || inPieces === undefined) return chunk;
    begun = { callId, leftBytes: Math.max(0, leftBytes - chunk.length) };
    handOn(inPieces, callId, chunk.subarray(0, leftBytes));
    return chunk.subarray(leftBytes);
  };
  const begin = (rest: Buffer, leftBytes: number): void => {
    begun = { callId: rest.readUInt32BE(5), leftBytes };
    if (rest.length > PAYLOAD_AT)
      handOn(rest.readUInt8(4), begun.callId, rest.subarray(PAYLOAD_AT));
  };
  return (chunk) => {
    const fresh = goOn(chunk);
    if (fresh.length === 0) return;
    chunks.push(fresh);
    bytes += fresh.length;
    // Joining only once enough is there keeps a large frame linear.
    if (bytes < needed) return;
    let rest = chunks.length === 1 ? fresh : Buffer.concat(chunks, bytes);
    needed = 4;
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length < HEAD_BYTES || length > bytesMax)
        throw new Error(`a frame says it is ${length} bytes long`);
      const frameBytes = 4 + length;
      if (rest.length >= frameBytes) {
        handOn(rest.readUInt8(4), rest.readUInt32BE(5), rest.subarray(PAYLOAD_AT, frameBytes));
        rest = rest.subarray(frameBytes);
      } else if (rest.length >= PAYLOAD_AT && rest.readUInt8(4) === inPieces) {
        begin(rest, frameBytes - rest.length);
        rest = rest.subarray(rest.length);
      } else {
        needed = rest.length < PAYLOAD_AT ? PAYLOAD_AT : frameBytes;
        break;
      }
    }
    chunks = rest.length === 0 ? [] : [rest];
    bytes = rest.length;
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
