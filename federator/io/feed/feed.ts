import type { Logger } from "pino";
import type { WaveView } from "#lib/contracts/api-status.ts";
import type { ClockStamp, FeedAck } from "#lib/contracts/feed.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import { MeridianError } from "#lib/errors.ts";
import type { WaveZone } from "../../core/feed/plan-waves.ts";
import { type FeedStream, feedConnection } from "./feed-connection.ts";
import { feedLines, type FeedSources } from "./feed-lines.ts";
import {
  contentOf,
  describeStanding,
  newcomer,
  note,
  type ReceiverState,
  type ReceiverView,
  viewReceiver,
} from "./feed-receivers.ts";
import type { RouteCompiler } from "./route-compiler.ts";
import { runLoop } from "../run-loop.ts";
import type { TableMark } from "./table-deliveries.ts";

const HEARTBEAT_MS = 1_000;
/** A table that is held back is looked at so often. */
const LOOK_MS = 100;
/** What many receivers say at about the same time is looked at together. */
const HEARD_PAUSE_MS = 2;
const RECEIVERS_MAX = 10_000;
/** After so many receivers, it is looked whether other work waits. */
const RECEIVERS_AT_ONCE = 200;
const SLICE_MS = 10;

export interface FeedOptions extends FeedSources {
  readonly zone: string;
  readonly compiler: RouteCompiler;
  readonly log: Logger;
  /** The other zones that have gateways, as far as they are heard. */
  readonly otherZones: () => readonly WaveZone[];
  readonly onRefused: (receiver: string, reason: string) => void;
}

export interface Feed {
  /** Throws where one receiver more is too many. */
  readonly assertRoom: (receiver: string) => void;
  readonly attach: (
    receiver: string,
    from: TableMark | null,
    stream: FeedStream,
    stamp?: ClockStamp,
  ) => void;
  readonly acknowledge: (ack: FeedAck) => void;
  readonly receivers: () => readonly ReceiverView[];
  /** The table that is held back; null while there is none. */
  readonly wave: () => WaveView | null;
  /** What the other zones are told of this one's receivers. */
  readonly standing: () => Pick<Observation, "accepted" | "refused" | "agentAccepted">;
  /**
   * Calls back after each acknowledgement, which the named send at once meanwhile, and after each coming and going; returns the
   * function that stops it.
   */
  readonly awaitAcknowledgements: (
    who: "gateways" | "everybody",
    listener: () => void,
  ) => () => void;
  /** Rights may have changed. */
  readonly pump: () => void;
  readonly close: () => Promise<void>;
}

/** Keeps every gateway and agent of the zone at the newest table, overlay and rights. */
export function startFeed(options: FeedOptions): Feed {
  const { zone, compiler, waves, overlay, rights, clock, log } = options;
  const receivers = new Map<string, ReceiverState>();
  /** What was turned down is remembered until something is taken, not until the connection ends. */
  const refusals = new Map<string, ReceiverState["refused"]>();
  const listeners = new Set<() => void>();
  const closing = new AbortController();
  const lines = feedLines(options);
  const waiting = { gateways: 0, everybody: 0 };
  const ask = (): void => {
    const some = waiting.gateways > 0 ? "gateways" : "nobody";
    lines.setAsking(waiting.everybody > 0 ? "everybody" : some);
  };
  let beatAtMs = Number.NEGATIVE_INFINITY;

  const pump = pumpAll(receivers, options, closing.signal);
  const look = (): void => {
    if (!waves.isHolding()) return;
    const isFree = waves.look({
      zone,
      receivers: [...receivers.values()].map((one) => ({
        ...viewReceiver(one, undefined),
        ...one,
      })),
      otherZones: options.otherZones(),
    });
    if (isFree) pump();
  };
  let isTelling = false;
  /** Of many acknowledgements at about the same time once, as each look goes through all receivers. */
  const heard = async (): Promise<void> => {
    if (isTelling || (listeners.size === 0 && !waves.isHolding())) return;
    isTelling = true;
    await clock.sleep(HEARD_PAUSE_MS, closing.signal);
    isTelling = false;
    look();
    for (const listener of listeners) listener();
  };
  const told = (): void => void heard().catch(() => undefined);
  const beat = (): void => {
    beatAtMs = clock.nowMs();
    rights.expire();
    lines.beat();
    for (const { connection } of receivers.values()) connection.expire();
    pump();
  };
  const stopOverlay = overlay.subscribe(beat);
  const intervalMs = (): number =>
    waves.isHolding() ? LOOK_MS : Math.max(0, beatAtMs + HEARTBEAT_MS - clock.nowMs());
  const loop = runLoop({ name: "feed", intervalMs, clock, log, signal: closing.signal }, () => {
    if (clock.nowMs() - beatAtMs >= HEARTBEAT_MS) beat();
    look();
  });
  compiler.onTable(() => {
    waves.afterApply();
    look();
    pump();
    if (waves.isHolding()) loop.wake();
  });

  return {
    assertRoom: (receiver) => {
      if (receivers.has(receiver) || receivers.size < RECEIVERS_MAX) return;
      throw new MeridianError(
        "MERIDIAN_OVERLOADED",
        `This federator already feeds ${RECEIVERS_MAX} receivers; stop some of them.`,
      );
    },
    attach: (receiver, from, stream, stamp) => {
      receivers.get(receiver)?.connection.close();
      const onClosed = (): void => {
        if (receivers.get(receiver) !== state) return;
        receivers.delete(receiver);
        rights.leave(receiver);
        told();
      };
      const connection = feedConnection(stream, () => lines.next(state), clock, onClosed);
      const refused = refusals.get(receiver) ?? null;
      const its = newcomer(receiver, from, stamp, clock.nowMs());
      const state: ReceiverState = { ...its, connection, refused };
      receivers.set(receiver, state);
      told();
      if (!state.isGateway) return connection.pump();
      // The others hold less from now on.
      rights.join(receiver);
      pump();
    },
    acknowledge: (ack) => {
      const state = receivers.get(ack.receiver);
      if (state === undefined) return;
      // Not that of a process which had the name before.
      const isItsOwn = state.clock?.clockId === ack.clock?.clockId;
      note(state, ack, clock.nowMs());
      if (state.refused === null) refusals.delete(ack.receiver);
      else if (refusals.size < RECEIVERS_MAX) refusals.set(ack.receiver, state.refused);
      rights.acknowledged(ack.receiver, ack.nonce);
      if (ack.isLeaving === true && isItsOwn) {
        rights.release(ack.receiver);
        pump();
      }
      told();
      if (ack.refused === undefined) return state.connection.pump();
      options.onRefused(ack.receiver, ack.refused);
      look();
      pump();
    },
    receivers: () => {
      const reached = contentOf(options);
      return Array.from(receivers.values(), (one) => viewReceiver(one, reached));
    },
    wave: waves.view,
    standing: () => describeStanding(receivers, options),
    awaitAcknowledgements: (who, listener) => {
      listeners.add(listener);
      waiting[who] += 1;
      ask();
      pump();
      return () => {
        listeners.delete(listener);
        waiting[who] -= 1;
        ask();
      };
    },
    pump,
    close: async () => {
      closing.abort(new Error("the feed was closed"));
      stopOverlay();
      for (const { connection } of receivers.values()) connection.close();
      await loop.ended;
    },
  };
}

/** Tells everybody what is new, giving way to other work now and then where there are many. */
function pumpAll(
  receivers: ReadonlyMap<string, ReceiverState>,
  { clock }: FeedSources,
  signal: AbortSignal,
): () => void {
  let isPumping = false;
  let isNews = false;
  const round = async (): Promise<void> => {
    let sliceEndsMs = clock.nowMs() + SLICE_MS;
    let count = 0;
    for (const { connection } of receivers.values()) {
      connection.pump();
      count += 1;
      if (count % RECEIVERS_AT_ONCE !== 0 || clock.nowMs() < sliceEndsMs) continue;
      await clock.sleep(0, signal);
      sliceEndsMs = clock.nowMs() + SLICE_MS;
    }
  };
  const rounds = async (): Promise<void> => {
    isPumping = true;
    while (isNews && !signal.aborted) {
      isNews = false;
      await round().catch(() => undefined);
    }
    isPumping = false;
  };
  return () => {
    isNews = true;
    if (!isPumping) void rounds();
  };
}
