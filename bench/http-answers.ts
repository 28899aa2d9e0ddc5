import { Buffer } from "node:buffer";

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/**
 * Reads answers off one connection that has one request in flight at a time: feed it what arrives, and it returns the
 * answer once that is complete. Knows just as much HTTP as servers under test speak.
 */
export function answerReader(): (chunk: Buffer) => HttpAnswer | undefined {
  let received: Buffer = Buffer.alloc(0);
  return (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd < 0) return undefined;

    const head = received.toString("latin1", 0, headEnd);
    const body = received.subarray(headEnd + HEAD_END.length);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const isComplete =
      length === undefined
        ? body.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)
        : body.length >= Number(length);
    if (!isComplete) return undefined;

    received = Buffer.alloc(0);
    return { status: Number(head.slice(9, 12)), body: body.toString("utf8") };
  };
}
