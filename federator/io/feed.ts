import type { Writable } from "node:stream";
import { type FeedAck, isGatewayReceiver, type OverlayFrame } from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { RouteTable } from "#lib/route-table-state.ts";
import { type FeedConnection, feedConnection } from "./feed-connection.ts";
import type { RightsLedger } from "./rights.ts";
import type { RouteCompiler } from "./route-compiler.ts";

const HEARTBEAT_MS = 1_000;
/** An overlay outlives two lost heartbeats. */
const OVERLAY_VALID_MS = 3_000;
const RECEIVERS_MAX = 1_000;

/** The table a receiver says it has, or was last sent. */
export type TableMark = Pick<RouteTable, "position" | "digest">;

export interface ReceiverView {
  readonly receiver: string;
  readonly isGateway: boolean;
  /** What it last said to have in force. */
  readonly position: Position | null;
  /** Why it turned the newest table down; null when it did not. */
  readonly refused: string | null;
}

export interface FeedOptions {
  readonly compiler: RouteCompiler;
  readonly overlay: LatestValue<readonly string[]>;
  readonly rights: RightsLedger;
  readonly clock: Clock;
  readonly onRefused: (receiver: string, reason: string) => void;
}

export interface Feed {
  readonly attach: (receiver: string, from: TableMark | null, stream: Writable) => void;
  readonly acknowledge: (ack: FeedAck) => void;
  readonly receivers: () => readonly ReceiverView[];
  /** Calls back after each acknowledgement and each coming and going; returns the function that stops it. */
  readonly onReceivers: (listener: () => void) => () => void;
  /** Rights may have changed. */
  readonly pump: () => void;
  readonly close: () => void;
}

interface ReceiverState {
  readonly connection: FeedConnection;
  sent: TableMark | null;
  overlayIsDue: boolean;
  position: Position | null;
  refused: string | null;
}

/** Keeps every gateway and agent of the zone at the newest table, overlay and rights. */
export function startFeed(options: FeedOptions): Feed {
  const { compiler, overlay, rights, clock } = options;
  const receivers = new Map<string, ReceiverState>();
  const listeners = new Set<() => void>();
  const tableLine = tableLines(compiler);
  // Greater than any number an earlier process gave: a late acknowledgement of its frames is never mistaken for one of ours.
  let nonce = clock.wallMs() * 1_000;

  const nextLine = (receiver: string, state: ReceiverState): string | undefined => {
    nonce += 1;
    if (state.overlayIsDue) {
      state.overlayIsDue = false;
      const frame: OverlayFrame = {
        kind: "overlay",
        downClusters: [...overlay.get()],
        validMs: OVERLAY_VALID_MS,
      };
      return `${JSON.stringify(frame)}\n`;
    }
    const rightsFrame = rights.next(receiver, nonce);
    if (rightsFrame !== undefined) return `${JSON.stringify(rightsFrame)}\n`;
    const line = tableLine(state.sent, nonce);
    if (line !== undefined) state.sent = compiler.table() ?? null;
    return line;
  };
  const pump = (): void => {
    for (const { connection } of receivers.values()) connection.pump();
  };
  const heartbeat = (): void => {
    rights.expire();
    for (const state of receivers.values()) state.overlayIsDue = true;
    pump();
  };
  const told = (): void => {
    for (const listener of listeners) listener();
  };

  const timer = setInterval(heartbeat, HEARTBEAT_MS);
  const stopOverlay = overlay.subscribe(heartbeat);
  compiler.onTable(pump);

  return {
    attach: (receiver, from, stream) => {
      if (!receivers.has(receiver) && receivers.size >= RECEIVERS_MAX)
        throw new MeridianError(
          "MERIDIAN_OVERLOADED",
          `This federator already feeds ${RECEIVERS_MAX} receivers; stop some of them.`,
        );
      receivers.get(receiver)?.connection.close();
      const connection = feedConnection(
        stream,
        () => nextLine(receiver, state),
        () => {
          if (receivers.get(receiver) !== state) return;
          receivers.delete(receiver);
          rights.leave(receiver);
          told();
        },
      );
      const position = from?.position ?? null;
      const state: ReceiverState = {
        connection,
        sent: from,
        overlayIsDue: true,
        position,
        refused: null,
      };
      receivers.set(receiver, state);
      if (isGatewayReceiver(receiver)) rights.join(receiver);
      pump();
      told();
    },
    acknowledge: (ack) => {
      const state = receivers.get(ack.receiver);
      if (state === undefined) return;
      state.position = ack.position;
      state.refused = ack.refused ?? null;
      if (ack.refused !== undefined) options.onRefused(ack.receiver, ack.refused);
      rights.acknowledged(ack.receiver, ack.nonce);
      pump();
      told();
    },
    receivers: () =>
      [...receivers].map(([receiver, { position, refused }]) => ({
        receiver,
        isGateway: isGatewayReceiver(receiver),
        position,
        refused,
      })),
    onReceivers: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    pump,
    close: () => {
      clearInterval(timer);
      stopOverlay();
      for (const { connection } of receivers.values()) connection.close();
    },
  };
}

/** The line that brings a receiver to the newest table; written out once for all that are at the same place. */
function tableLines(
  compiler: RouteCompiler,
): (sent: TableMark | null, nonce: number) => string | undefined {
  let written = new Map<number, string>();
  let writtenFor: RouteTable | undefined;

  return (sent, nonce) => {
    const table = compiler.table();
    if (table === undefined) return undefined;
    const { position, digest } = table;
    const isComparable = sent?.position.incarnation === position.incarnation;
    const from = isComparable ? sent.position : undefined;
    // One that is ahead of this zone's replica keeps what it has until the replica is there.
    if (from !== undefined && from.revision > position.revision) return undefined;
    const isSameRevision = from?.revision === position.revision;
    if (isSameRevision && sent?.digest === digest) return undefined;

    if (writtenFor !== table) {
      writtenFor = table;
      written = new Map();
    }
    const change = isSameRevision || from === undefined ? undefined : compiler.changeSince(from);
    const place = change === undefined ? -1 : (from?.revision ?? -1);
    const body =
      written.get(place) ??
      JSON.stringify(
        change === undefined
          ? { kind: "full", position, entries: [...table.entries.values()], digest }
          : { kind: "delta", from, position, ...change, digest },
      );
    written.set(place, body);
    return `{"nonce":${nonce},${body.slice(1)}\n`;
  };
}
