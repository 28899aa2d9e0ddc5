import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Name } from "./names.ts";
import { Position, RouteEntry } from "./route-table.ts";

/*
 * The feed of a zone: `GET /internal/feed?receiver=NAME[&incarnation=…&revision=…&digest=…]` of the zone's federator answers with
 * one JSON frame a line, for ever. Gateways and agents of the zone follow it and answer with `POST /internal/feed/acks`.
 * Acknowledgements are cumulative: a nonce speaks for all frames before it.
 */

/** The whole table. */
export const FullFrame = Type.Object(
  {
    kind: Type.Literal("full"),
    nonce: Type.Integer(),
    position: Position,
    entries: Type.Array(RouteEntry),
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
    upserts: Type.Array(RouteEntry),
    removed: Type.Array(Type.String()),
    digest: Type.String(),
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
  },
  extensible,
);
/** This receiver's share of each tenant's rate and burst, in millionths of the limit. Leases end `leaseValidMs` after sending. */
export const RightsFrame = Type.Object(
  {
    kind: Type.Literal("rights"),
    nonce: Type.Integer(),
    leaseValidMs: Type.Integer({ minimum: 0 }),
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
export const FeedFrame = Type.Union([FullFrame, DeltaFrame, OverlayFrame, RightsFrame]);
export type FullFrame = Static<typeof FullFrame>;
export type DeltaFrame = Static<typeof DeltaFrame>;
export type OverlayFrame = Static<typeof OverlayFrame>;
export type RightsFrame = Static<typeof RightsFrame>;
export type FeedFrame = Static<typeof FeedFrame>;

/** Acknowledges (or, with `refused`, turns down) a full, delta or rights frame; a refusal leaves the last good table in force. */
export const FeedAck = Type.Object(
  {
    receiver: Type.String({ maxLength: 128 }),
    nonce: Type.Integer(),
    position: Type.Union([Position, Type.Null()]),
    refused: Type.Optional(Type.String({ maxLength: 1_000 })),
  },
  extensible,
);
export type FeedAck = Static<typeof FeedAck>;

/** Receivers are named `ZONE.PROGRAM`. Only gateways hold rights, and only they are waited for when a route changes. */
export const gatewayReceiver = (zone: string): string => `${zone}.gateway`;
export const isGatewayReceiver = (receiver: string): boolean =>
  receiver.split(".")[1] === "gateway";
