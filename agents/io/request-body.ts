import { once } from "node:events";
import { Compile } from "typebox/compile";
import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import {
  LINK_CREDIT_BYTES,
  LINK_FRAME,
  type LinkCall,
  LinkEnd,
} from "#lib/contracts/link-frames.ts";
import { encodeFrame, parseJson } from "#lib/frames.ts";
import { creditedStream } from "#lib/io/credited-stream.ts";
import { bodyBrokeOff, bodyTooLarge } from "./body-limits.ts";
import type { StreamedRequest } from "./exchange.ts";

/** The body of a call on a link, as its frames bring it. What they may not bring throws: the gateway's link is ended for it. */
export interface RequestBody {
  readonly add: (part: Buffer) => void;
  /** `payload`: of the frame that says so. */
  readonly end: (payload: Buffer) => void;
  readonly breakOff: () => void;
  /** Once; whole, however it comes. */
  readonly whole: () => Promise<Buffer>;
  readonly streamed: StreamedRequest | undefined;
  /** Resolves when all of it has come, or no more will. */
  readonly readAway: () => Promise<void>;
}

const linkEnd = Compile(LinkEnd);

export const requestBody = (
  callId: number,
  head: LinkCall,
  send: (frame: Buffer) => void,
): RequestBody =>
  head.isStreamed === true
    ? streamedBody(callId, head.upgrade, send)
    : announcedBody(head.bodyBytes);

/** A body whose length the gateway knows beforehand. */
function announcedBody(bytesExpected: number): RequestBody {
  const whole = Promise.withResolvers<Buffer>();
  // It may break off when nobody waits for it any more.
  whole.promise.catch(() => undefined);
  const parts: Buffer[] = [];
  let bytes = 0;
  if (bytesExpected > BODY_BYTES_MAX) whole.reject(bodyTooLarge());
  return {
    add: (part) => {
      bytes += part.length;
      if (bytesExpected > BODY_BYTES_MAX) return;
      parts.push(part);
      if (bytes > bytesExpected) whole.reject(bodyBrokeOff());
      if (bytes === bytesExpected)
        whole.resolve(parts.length === 1 ? part : Buffer.concat(parts, bytes));
    },
    end: () => undefined,
    breakOff: () => whole.reject(bodyBrokeOff()),
    whole: () => whole.promise,
    streamed: undefined,
    readAway: () => Promise.resolve(),
  };
}

/** Asked for as it is read, which is after the call has started: until then it can go elsewhere with its body untouched. */
function streamedBody(
  callId: number,
  upgrade: string | undefined,
  send: (frame: Buffer) => void,
): RequestBody {
  let trailers: Readonly<Record<string, string>> = {};
  const body = creditedStream({
    windowBytes: LINK_CREDIT_BYTES,
    initialBytes: 0,
    giveCredit: (bytes) => send(encodeCredit(callId, bytes)),
    onLeft: () => undefined,
  });
  return {
    add: body.push,
    end: (payload) => {
      if (payload.length > 0) trailers = readTrailers(payload);
      body.end();
    },
    breakOff: () => body.fail(bodyBrokeOff()),
    whole: async () => {
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of body.readable) {
        bytes += part.length;
        if (bytes > BODY_BYTES_MAX) throw bodyTooLarge();
        parts.push(part);
      }
      return Buffer.concat(parts, bytes);
    },
    streamed: { stream: body.readable, trailers: () => trailers, upgrade },
    readAway: async () => {
      if (body.readable.destroyed) return;
      const closed = once(body.readable, "close");
      body.readable.resume();
      await closed.catch(() => undefined);
    },
  };
}

function encodeCredit(callId: number, bytes: number): Buffer {
  const credit = Buffer.allocUnsafe(4);
  credit.writeUInt32BE(bytes);
  return encodeFrame(LINK_FRAME.credit, callId, [credit]);
}

function readTrailers(payload: Buffer): Readonly<Record<string, string>> {
  const end = parseJson(payload);
  if (!linkEnd.Check(end)) throw new Error("the end of a body is malformed");
  return end.trailers;
}
