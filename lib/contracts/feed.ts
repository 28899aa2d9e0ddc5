import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Name } from "./names.ts";
import { Position } from "./route-table.ts";

/*
 * The feed of a zone: `GET /internal/feed?receiver=NAME[&incarnation=…&revision=…&digest=…]` of the zone's federator answers with
 * one JSON frame a line, for ever; who names its position without a digest gets the whole table. Gateways and agents of the zone follow it and answer with `POST /internal/feed/acks`, at most
 * once a second unless they are asked. Acknowledgements are cumulative: a nonce speaks for all frames before it. A frame of a kind
 * that the receiver does not know is skipped.
 */

/** Changes when frames change in a way that a receiver of the version before could misread: such a change goes out in a wave. */
export const FEED_FORMAT = 2;

/**
 * What a receiver's own monotonic clock showed when it sent this; with each acknowledgement, and in this header of the request for
 * the feed. `clockId` tells its process from those before it, whose clocks were others.
 */
export const ClockStamp = Type.Object(
  { clockId: Type.String({ minLength: 1, maxLength: 64 }), atMs: Type.Number() },
  extensible,
);
export type ClockStamp = Static<typeof ClockStamp>;
export const CLOCK_HEADER = "meridian-clock";
/**
 * A moment of the receiver's clock before which the sender did not look at what it says here. A message that was read late, because
 * it or its reader was held up, is told by this from one that is new. Absent: the sender does not know the clock.
 */
const asOfMs = Type.Optional(Type.Number());

/**
 * One entry: its key and a `RouteEntry` as JSON. The table's digest is over these texts as they are, so that fields and kinds of
 * entries that a receiver does not know survive in it and count.
 */
export const FeedEntry = Type.Object(
  {
    key: Type.String({ minLength: 1, maxLength: 512 }),
    text: Type.String({ minLength: 2, maxLength: 1_048_576 }),
  },
  extensible,
);

/** A part of the next full or delta frame, which comes last and completes it; nothing is in force before that. */
export const PartFrame = Type.Object(
  { kind: Type.Literal("part"), entries: Type.Array(FeedEntry) },
  extensible,
);
/** The whole table: these entries and those of the parts before. */
export const FullFrame = Type.Object(
  {
    kind: Type.Literal("full"),
    nonce: Type.Integer(),
    position: Position,
    entries: Type.Array(FeedEntry),
    digest: Type.String(),
  },
  extensible,
);
/** What changed from `from` to `position`; a receiver that is not exactly at `from` refuses it and gets a full one. */
export const DeltaFrame = Type.Object(
  {
    kind: Type.Literal("delta"),
    nonce: Type.Integer(),
    from: Position,
    position: Position,
    upserts: Type.Array(FeedEntry),
    removed: Type.Array(Type.String()),
    digest: Type.String(),
  },
  extensible,
);
/**
 * All clusters and the plan, suspended tenants and revoked keys as of `position`, ahead of a table that is held back until it has
 * proved itself elsewhere. In force until a table of that position or a later one arrives; no part of any digest.
 */
export const UrgentFrame = Type.Object(
  {
    kind: Type.Literal("urgent"),
    position: Position,
    entries: Type.Array(FeedEntry),
    /** Keys of entries that are no more. Absent: tenants and keys are as the table in force has them, whatever has happened. */
    removed: Type.Optional(Type.Array(Type.String())),
  },
  extensible,
);
/**
 * What this zone knows beyond the catalog: clusters that fresh evidence of two zones holds to be down. It only ever removes
 * weight and expires `validMs` after arrival. Sent on change and each second.
 */
export const OverlayFrame = Type.Object(
  {
    kind: Type.Literal("overlay"),
    downClusters: Type.Array(Name),
    validMs: Type.Integer({ minimum: 1 }),
    /** How long ago the sender itself heard the catalog; absent: it does not say, or never did. */
    replicaAgeMs: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Since when the newest table has the content it has: whoever is at this position or after it has nothing to miss. */
    unchangedSince: Type.Optional(Position),
    asOfMs,
  },
  extensible,
);
/** This receiver's share of tenants' rates and bursts, in millionths of the limit. Leases end `leaseValidMs` after `asOfMs`. */
export const RightsFrame = Type.Object(
  {
    kind: Type.Literal("rights"),
    nonce: Type.Integer(),
    leaseValidMs: Type.Integer({ minimum: 0 }),
    /** True: tenants that are not named keep their share, and their leases go on like those that are. Absent: all are named. */
    isPartial: Type.Optional(Type.Boolean()),
    asOfMs,
    tenants: Type.Array(
      Type.Object(
        {
          tenant: Name,
          floorMillionths: Type.Integer({ minimum: 0 }),
          leaseMillionths: Type.Integer({ minimum: 0 }),
        },
        extensible,
      ),
    ),
  },
  extensible,
);
/** Somebody waits for what this receiver has in force: acknowledge it now. */
export const AcknowledgeFrame = Type.Object({ kind: Type.Literal("acknowledge") }, extensible);

export const FeedFrame = Type.Union([
  PartFrame,
  FullFrame,
  DeltaFrame,
  UrgentFrame,
  OverlayFrame,
  RightsFrame,
  AcknowledgeFrame,
]);
export type PartFrame = Static<typeof PartFrame>;
export type FullFrame = Static<typeof FullFrame>;
export type DeltaFrame = Static<typeof DeltaFrame>;
export type UrgentFrame = Static<typeof UrgentFrame>;
export type OverlayFrame = Static<typeof OverlayFrame>;
export type RightsFrame = Static<typeof RightsFrame>;
export type FeedFrame = Static<typeof FeedFrame>;

/** Acknowledges (or, with `refused`, turns down) what came so far; a refusal leaves the last good table in force. */
export const FeedAck = Type.Object(
  {
    receiver: Type.String({ maxLength: 128 }),
    /** The greatest nonce of the frames that were dealt with. */
    nonce: Type.Integer(),
    position: Type.Union([Position, Type.Null()]),
    /** Where it is ahead of `position`: tenants suspended and keys revoked up to here are refused. */
    withdrawnPosition: Type.Optional(Position),
    refused: Type.Optional(Type.String({ maxLength: 1_000 })),
    /** Of the table that was turned down, where that much could be read. */
    refusedPosition: Type.Optional(Position),
    /** It takes no new callers and holds no rights any more: others may have them. Absent: it goes on. */
    isLeaving: Type.Optional(Type.Boolean()),
    clock: Type.Optional(ClockStamp),
  },
  extensible,
);
export type FeedAck = Static<typeof FeedAck>;

/**
 * Receivers are named `ZONE.PROGRAM`, or `ZONE.PROGRAM.N` where a zone has several. Only gateways hold rights, and only they are
 * waited for when a route changes.
 */
export const gatewayReceiver = (zone: string): string => `${zone}.gateway`;
export const agentReceiver = (zone: string): string => `${zone}.agent`;
export const isGatewayReceiver = (receiver: string): boolean =>
  receiver.split(".")[1] === "gateway";
