import { connect } from "node:net";

export interface RawAnswers {
  /** Of every answer, in order, as far as heads can be found in what came. */
  readonly statuses: readonly number[];
  readonly text: string;
  /** Whether the other side ended the connection. */
  readonly isClosed: boolean;
}

/** Sends bytes, and takes what comes until the other side closes or is silent for `silenceMs` after its last word. */
export function rawExchange(url: string, bytes: string, silenceMs: number): Promise<RawAnswers> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let text = "";
    let isClosed = false;
    const socket = connect(Number(port), hostname, () => socket.write(bytes, "latin1"));
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("end", () => {
      isClosed = true;
    });
    socket.on("error", () => {
      isClosed = true;
    });
    socket.on("close", () => resolve({ statuses: statusesIn(text), text, isClosed }));
  });
}

/** Bodies of answers here never hold a status line. */
export const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/g)].map(([, status]) => Number(status));
