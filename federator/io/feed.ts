import type { Writable } from "node:stream";
import { type FeedAck, isGatewayReceiver } from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { type FeedConnection, feedConnection } from "./feed-connection.ts";
import { feedLines, type FeedSources, type TableMark, type ToldState } from "./feed-lines.ts";

const HEARTBEAT_MS = 1_000;
const RECEIVERS_MAX = 1_000;

export interface ReceiverView {
  readonly receiver: string;
  readonly isGateway: boolean;
  /** What it last said to have in force. */
  readonly position: Position | null;
  /** Why it turned the newest table down; null when it did not. */
  readonly refused: string | null;
}

export interface FeedOptions extends FeedSources {
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

interface ReceiverState extends ToldState {
  readonly connection: FeedConnection;
  position: Position | null;
  refused: string | null;
}

/** Keeps every gateway and agent of the zone at the newest table, overlay and rights. */
export function startFeed(options: FeedOptions): Feed {
  const { compiler, overlay, rights, clock } = options;
  const receivers = new Map<string, ReceiverState>();
  const listeners = new Set<() => void>();
  const nextLine = feedLines(options);
  // Greater than any number an earlier process gave: a late acknowledgement of its frames is never mistaken for one of ours.
  let nonce = clock.wallMs() * 1_000;

  const nextLineOf = (receiver: string) => (state: ToldState) => {
    nonce += 1;
    return nextLine(receiver, state, nonce);
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
      const state = openReceiver(stream, from, nextLineOf(receiver), () => {
        if (receivers.get(receiver) !== state) return;
        receivers.delete(receiver);
        rights.leave(receiver);
        told();
      });
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
    receivers: () => [...receivers].map(viewReceiver),
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

function openReceiver(
  stream: Writable,
  from: TableMark | null,
  nextLine: (state: ToldState) => string | undefined,
  onClosed: () => void,
): ReceiverState {
  const state: ReceiverState = {
    connection: feedConnection(stream, () => nextLine(state), onClosed),
    sent: from,
    overlayIsDue: true,
    position: from?.position ?? null,
    refused: null,
  };
  return state;
}

const viewReceiver = ([receiver, { position, refused }]: [
  string,
  ReceiverState,
]): ReceiverView => ({
  receiver,
  isGateway: isGatewayReceiver(receiver),
  position,
  refused,
});
