import type { Socket } from "node:net";
import { MeridianError } from "#lib/errors.ts";
import { type RawDoor, refuseRaw } from "./refuse-raw.ts";

/** What every HTTP/2 connection begins with (RFC 9113, 3.4); no HTTP/1 request can. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface ProtocolDoors extends RawDoor {
  readonly http1: (socket: Socket) => void;
  readonly http2: (socket: Socket) => void;
  readonly headersTimeoutMs: number;
}

/** Hands a connection, untouched, to the protocol that its first bytes are of. */
export function tellProtocol(socket: Socket, doors: ProtocolDoors): void {
  const { http1, http2, headersTimeoutMs } = doors;
  let seen: Buffer = Buffer.alloc(0);

  const onReadable = (): void => {
    const chunk: unknown = socket.read();
    if (!Buffer.isBuffer(chunk)) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const mayBeHttp2 = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (mayBeHttp2 && length < PREFACE.length) return;
    letGo();
    socket.unshift(seen);
    if (mayBeHttp2) http2(socket);
    else http1(socket);
  };
  const onEnd = (): void => void socket.destroy();
  const onLate = (): void => {
    letGo();
    const limit = `The headers of a request must arrive within ${headersTimeoutMs} ms.`;
    refuseRaw(socket, new MeridianError("MERIDIAN_REQUEST_TIMEOUT", limit), doors);
  };
  // A connection that fails closes; there is nobody to tell yet.
  const onError = (): void => undefined;
  const timer = setTimeout(onLate, headersTimeoutMs);
  const onClose = (): void => clearTimeout(timer);
  const letGo = (): void => {
    clearTimeout(timer);
    socket
      .off("readable", onReadable)
      .off("end", onEnd)
      .off("error", onError)
      .off("close", onClose);
  };
  socket.on("readable", onReadable).once("end", onEnd).on("error", onError).once("close", onClose);
}
