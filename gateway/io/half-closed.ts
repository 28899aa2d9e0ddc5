import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The oldest answer that is due on a connection. */
export interface DueAnswer {
  readonly hasBegun: boolean;
  /** Callers of HTTP/1.0 do not know that an answer may have words before it. */
  readonly mayBeAnnounced: boolean;
}

const GO_ON = "HTTP/1.1 100 Continue\r\n\r\n";
/** From the first word to the second; each one after waits twice as long as the one before. */
const FIRST_PAUSE_MS = 100;
/** The first may be sent to nobody unnoticed; the second is not. */
const ASKED_ENOUGH = 2;
/** A stream that has had nothing to say for so long does not tell whether anybody listens. */
const SILENCE_MAX_MS = 1_000;

/** A caller that has ended its side gets its answers still, where Node's server would end the other side as well. */
export const answerHalfClosed = (server: Server): void =>
  void Object.assign(server, { httpAllowHalfOpen: true });

/**
 * Whoever ends its side of a connection has said all it will say, or is gone: TCP tells the two apart only by what becomes of bytes
 * that are sent. So the caller is told to go on, which means nothing to one that is there (RFC 9110, 15.2.1), and breaks the
 * connection where nobody is. The bytes of an answer do as well; one that falls silent is taken to be left.
 */
export function askWhoEnded(socket: Socket, oldest: () => DueAnswer | undefined): void {
  let asked = 0;
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;

  const look = (): void => {
    const due = oldest();
    if (due === undefined) return;
    if (due.hasBegun) listen();
    else ask(due);
  };
  const ask = ({ mayBeAnnounced }: DueAnswer): void => {
    if (mayBeAnnounced) {
      socket.write(GO_ON);
      asked += 1;
    }
    timer = setTimeout(look, pauseMs);
    pauseMs *= 2;
  };
  const listen = (): void => {
    if (asked < ASKED_ENOUGH) timer = setTimeout(endSilent, SILENCE_MAX_MS, socket.bytesWritten);
  };
  const endSilent = (writtenBytes: number): void => {
    if (socket.bytesWritten === writtenBytes && socket.writableLength === 0) socket.destroy();
    else look();
  };
  socket.once("close", () => clearTimeout(timer));
  look();
}

/** As Node's server has it. */
export const dueAnswer = ({ headersSent, req }: ServerResponse): DueAnswer => ({
  hasBegun: headersSent,
  mayBeAnnounced: req.httpVersionMinor > 0,
});
