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
/** In an agent's `101`: what it can do beyond the first version of this protocol, words with commas between. */
export const LINK_FEATURES_HEADER = "meridian-link-features";
/** It takes calls whose bodies are streamed, upgrades among them, and sends trailers. Others get none of those. */
export const LINK_FEATURE_STREAMS = "streams";
export const LINK_FRAME_BYTES_MAX = 1024 * 1024;

export const LINK_FRAME = {
  /** Gateway → agent: u32 length of a JSON LinkCall, the call, then the beginning of its body. */
  call: 1,
  /** Either way: more of a body. */
  part: 2,
  /** Either way: the body ends here and is whole; with a JSON LinkEnd where it has trailers. A gateway ends only bodies that are streamed. */
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
  /** Either way: the body ends here, though it is not whole. */
  broken: 9,
  /**
   * Either way: u32, so many more bytes of the body may come. For an answer beyond `LINK_CREDIT_BYTES`; for a streamed call from the first
   * byte on: the agent gives credit when the call has started, so one that did not start can go elsewhere with its body untouched.
   */
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
    /** Of the whole body; what did not fit into the first frame follows in parts. 0 where it is streamed. */
    bodyBytes: Type.Integer({ minimum: 0 }),
    /** The body is as long as it gets: parts as the credit goes, then `end` or `broken`. */
    isStreamed: Type.Optional(Type.Boolean()),
    /** The caller asks to speak this protocol from here on (`websocket`); its body is streamed. After a `101` both bodies are raw bytes. */
    upgrade: Type.Optional(Type.String({ pattern: "^[!-~]+$", maxLength: 64 })),
  },
  extensible,
);
export type LinkCall = Static<typeof LinkCall>;

/** The head of an answer, `meridian-*` headers included. */
export const LinkAnswer = Type.Object(
  {
    /** 101 only to a call that asks for an upgrade. */
    status: Type.Integer({ minimum: 101, maximum: 599 }),
    headers: Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())])),
    /** What comes with the head is all of the body; else it goes on to `end`. */
    isWhole: Type.Boolean(),
  },
  extensible,
);
export type LinkAnswer = Static<typeof LinkAnswer>;

/** The payload of an `end` that is not empty. */
export const LinkEnd = Type.Object(
  { trailers: Type.Record(Type.String(), Type.String()) },
  extensible,
);
export type LinkEnd = Static<typeof LinkEnd>;
