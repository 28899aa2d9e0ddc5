import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";

/*
 * Gateway ↔ agent, over one connection per pair that carries all calls at once. It begins as HTTP/1.1: `GET /link` with
 * `Connection: Upgrade`, `Upgrade: meridian-link` and the boot token; after `101` both sides send frames of
 *   length (u32, big endian, of what follows) · kind (u8) · call id (u32, big endian, 0 where there is none) · payload
 * Any other answer, as of an agent of the version before, says that calls go as `POST /invoke` (`invocation.ts`).
 *
 * Call ids are the gateway's, and grow: 1, 2, 3 …; a frame of a call that is over is ignored. Neither side closes an idle link.
 */
export const LINK_PROTOCOL = "meridian-link";
export const LINK_PATH = "/link";
/** Bodies travel in parts, so that calls take turns. */
export const LINK_PART_BYTES_MAX = 64 * 1024;
/** Bytes of an answer that may be on their way before the gateway says `credit`. */
export const LINK_CREDIT_BYTES = 256 * 1024;
export const LINK_FRAME_BYTES_MAX = 1024 * 1024;

export const LINK_FRAME = {
  /** Gateway → agent: u32 length of a JSON LinkCall, the call, then the beginning of its body. */
  call: 1,
  /** Either way: more of a body. */
  part: 2,
  /** Agent → gateway: the body of the answer ends here and is whole. */
  end: 3,
  /** Agent → gateway: a slot is reserved for the call; it starts on `go` and on nothing else. */
  ready: 4,
  /** Gateway → agent: start it. A link that was given up before this was written proves that the call did not run. */
  go: 5,
  /** Agent → gateway: the call waits for a slot, and `ready` will be asked whatever the call said. */
  waiting: 6,
  /** Gateway → agent: nobody wants the answer any more. */
  cancel: 7,
  /** Agent → gateway: u32 length of a JSON LinkAnswer, the answer, then the beginning of its body. */
  answer: 8,
  /** Agent → gateway: the body of the answer ends here, though it is not whole. */
  broken: 9,
  /** Gateway → agent: u32, so many more bytes of the answer may come. */
  credit: 10,
  /** Agent → gateway: u32, the last call id that it takes; later ones did not run. It serves what it took, then closes. */
  goaway: 11,
} as const;

/** The head of a call: what the headers of `POST /invoke` are, and when it may start. */
export const LinkCall = Type.Object(
  {
    headers: Type.Record(Type.String(), Type.String()),
    /** `go`: always after `ready` and `go`. `slot`: at once if a slot is free and the agent was awake, else as `go`. */
    startsOn: Type.Union([Type.Literal("go"), Type.Literal("slot")]),
    /** Of the whole body; what did not fit into the first frame follows in parts. */
    bodyBytes: Type.Integer({ minimum: 0 }),
  },
  extensible,
);
export type LinkCall = Static<typeof LinkCall>;

/** The head of an answer, `meridian-*` headers included. */
export const LinkAnswer = Type.Object(
  {
    status: Type.Integer({ minimum: 200, maximum: 599 }),
    headers: Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())])),
    /** What comes with the head is all of the body; else it goes on to `end`. */
    isWhole: Type.Boolean(),
  },
  extensible,
);
export type LinkAnswer = Static<typeof LinkAnswer>;
