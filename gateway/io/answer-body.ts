import type { Readable } from "node:stream";
import { Compile } from "typebox/compile";
import { LINK_CREDIT_BYTES, LinkEnd } from "#lib/contracts/link-frames.ts";
import { parseJson } from "#lib/frames.ts";
import { creditedStream } from "#lib/io/credited-stream.ts";
import { passableTrailers } from "../core/passable-trailers.ts";
import type { ReadTrailers } from "../ports.ts";

export interface AnswerBody {
  readonly readable: Readable;
  readonly trailers: ReadTrailers;
  readonly add: (part: Buffer) => void;
  /** `payload`: of the frame that says so. */
  readonly end: (payload: Buffer) => void;
  readonly breakOff: (reason: Error) => void;
}

export interface AnswerBodyPorts {
  /** So many bytes more may come. */
  readonly credit: (bytes: number) => void;
  /** Its reader wants no more of it. */
  readonly abandon: () => void;
}

const linkEnd = Compile(LinkEnd);

/** The answer as it arrives, no faster than it is read. What its frames may not say throws: the link is ended for it. */
export function answerBody(beginning: Buffer, { credit, abandon }: AnswerBodyPorts): AnswerBody {
  let trailers: Readonly<Record<string, string>> = {};
  const { readable, push, end, fail } = creditedStream({
    windowBytes: LINK_CREDIT_BYTES,
    initialBytes: LINK_CREDIT_BYTES,
    giveCredit: credit,
    onLeft: abandon,
  });
  push(beginning);
  return {
    readable,
    trailers: () => trailers,
    add: push,
    end: (payload) => {
      if (payload.length > 0) trailers = readTrailers(payload);
      end();
    },
    breakOff: fail,
  };
}

function readTrailers(payload: Buffer): Readonly<Record<string, string>> {
  const end = parseJson(payload);
  if (!linkEnd.Check(end)) throw new Error("the end of an answer is malformed");
  return passableTrailers(end.trailers);
}
