import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { Compile } from "typebox/compile";
import { CLOCK_HEADER, type ClockStamp, type FeedAck, FeedFrame } from "#lib/contracts/feed.ts";
import { federatorUrlOf } from "#lib/find-federators.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import { readJsonLines } from "#lib/io/json-lines.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import type { RouteTable } from "#lib/route-table-state.ts";

/** Overlay frames come each second; a feed that is silent this long is taken for dead. */
const SILENCE_MAX_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
const ACK_TIMEOUT_MS = 2_000;
/** Acknowledgements that nobody waits for go out so often at most. */
const ACK_INTERVAL_MS = 1_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

const feedFrame = Compile(FeedFrame);
const KINDS: ReadonlySet<unknown> = new Set(
  FeedFrame.anyOf.map(({ properties }) => properties.kind.const),
);

/** As much of a client as a follower needs. */
export interface FeedClient extends Pick<InternalClient, "json"> {
  readonly stream: (
    ...call: Parameters<InternalClient["stream"]>
  ) => Promise<AsyncIterable<Uint8Array>>;
}

export interface FeedLinkOptions {
  /** Names this follower to the federator; unique in its zone. */
  readonly receiver: string;
  readonly zone: string;
  readonly discovery: Discovery;
  readonly client: FeedClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What became of a frame, without who says it and when. */
export type Ack = Omit<FeedAck, "receiver" | "clock">;
export type SendAck = (ack: Ack, when: "now" | "soon") => void;

export interface FeedListener {
  readonly table: () => RouteTable | undefined;
  /** `needs-full`: nothing on this connection can be used any more. */
  readonly onFrame: (frame: FeedFrame, ack: SendAck) => "go-on" | "needs-full";
  /** A line of a known kind that does not fit its schema. */
  readonly onInvalid: (ack: SendAck) => void;
  readonly onEnd: () => void;
}

/** Connects again after each end, sooner after a feed that had said something usable, until the signal aborts; never rejects. */
export async function keepFollowing(
  options: FeedLinkOptions,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = options;
  let retryMs = RETRY_MIN_MS;
  let wantsFull = false;
  const clockId = randomUUID();
  const stamp = (): ClockStamp => ({ clockId, atMs: clock.nowMs() });
  while (!signal.aborted) {
    let heard = 0;
    try {
      const path = feedPath(options.receiver, listener.table(), wantsFull);
      wantsFull = await readFeed(options, listener, path, stamp, signal, () => (heard += 1));
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error }, "no feed from this zone's federator");
    }
    listener.onEnd();
    // A federator whose table cannot be used is not asked for all of it again and again.
    retryMs = heard > 1 && !wantsFull ? RETRY_MIN_MS : Math.min(RETRY_MAX_MS, retryMs * 2);
    await clock.sleep(retryMs * (0.5 + random.next() / 2), signal).catch(() => undefined);
  }
}

/** One connection, until it ends; true when the next one must start from a full table. */
async function readFeed(
  options: FeedLinkOptions,
  { onFrame, onInvalid }: FeedListener,
  path: string,
  stamp: () => ClockStamp,
  signal: AbortSignal,
  onHeard: () => void,
): Promise<boolean> {
  const { clock, client } = options;
  const baseUrl = await findFederator(options);
  const connection = new AbortController();
  const heard = watchSilence(clock, connection);
  const ending = AbortSignal.any([connection.signal, signal]);
  const acks = sendAcks(options, baseUrl, stamp, ending);
  try {
    const stream = await client.stream(baseUrl, {
      path,
      headers: { [CLOCK_HEADER]: JSON.stringify(stamp()) },
      timeoutMs: CONNECT_TIMEOUT_MS,
      signal: ending,
    });
    for await (const frame of readJsonLines(stream)) {
      heard();
      onHeard();
      if (!feedFrame.Check(frame)) {
        if (isOfUnknownKind(frame)) continue;
        onInvalid(acks.offer);
        return true;
      }
      if (onFrame(frame, acks.offer) === "needs-full") return true;
      // A large table comes in many parts; calls are served in between.
      if (frame.kind === "part") await clock.sleep(0, ending);
    }
    return false;
  } finally {
    await acks.settled();
    connection.abort(new Error("the feed ended"));
  }
}

/** Ends a connection on which nothing comes any more; the returned function says that something came. */
function watchSilence(clock: Clock, connection: AbortController): () => void {
  let heardAtMs = clock.nowMs();
  const watch = async (): Promise<void> => {
    for (;;) {
      const leftMs = heardAtMs + SILENCE_MAX_MS - clock.nowMs();
      if (leftMs <= 0) break;
      await clock.sleep(leftMs, connection.signal);
    }
    connection.abort(new Error(`the feed was silent for ${SILENCE_MAX_MS} ms`));
  };
  watch().catch(() => undefined);
  return () => {
    heardAtMs = clock.nowMs();
  };
}

async function findFederator({ discovery, zone: home }: FeedLinkOptions): Promise<string> {
  const baseUrl = federatorUrlOf(await discovery.list(), home);
  if (baseUrl === undefined) throw new Error(`no federator of ${home} is known`);
  return baseUrl;
}

/** What a later version of Meridian may say besides. */
const isOfUnknownKind = (frame: unknown): boolean =>
  typeof frame === "object" &&
  frame !== null &&
  "kind" in frame &&
  typeof frame.kind === "string" &&
  !KINDS.has(frame.kind);

/** Acknowledgements are cumulative, so one is on its way at a time and the newest replaces what waits. */
function sendAcks(
  { client, receiver, clock, log }: FeedLinkOptions,
  baseUrl: string,
  stamp: () => ClockStamp,
  signal: AbortSignal,
): { readonly offer: SendAck; readonly settled: () => Promise<void> } {
  let newest: Ack | undefined;
  let sentAtMs = Number.NEGATIVE_INFINITY;
  let isPlanned = false;
  const sending = oneAtATime<Ack>(async (ack) => {
    newest = undefined;
    sentAtMs = clock.nowMs();
    const request = { method: "POST", path: "/internal/feed/acks" } as const;
    const json: FeedAck = { receiver, ...ack, clock: stamp() };
    await client
      .json(baseUrl, { ...request, json, timeoutMs: ACK_TIMEOUT_MS, signal })
      .catch((error: unknown) => {
        log.debug({ err: error }, "an acknowledgement was not delivered");
        // Without another table nothing would ever be said again, and this receiver would be held to be behind.
        newest ??= ack;
        if (!isPlanned) void sendSoon();
      });
  });
  const sendSoon = async (): Promise<void> => {
    isPlanned = true;
    const pauseMs = Math.max(0, sentAtMs + ACK_INTERVAL_MS - clock.nowMs());
    await clock.sleep(pauseMs, signal).catch(() => undefined);
    isPlanned = false;
    if (newest !== undefined && !signal.aborted) sending.offer(newest);
  };
  return {
    offer: (ack, when) => {
      newest = ack;
      if (when === "now") sending.offer(ack);
      else if (!isPlanned) void sendSoon();
    },
    settled: sending.settled,
  };
}

/** Who wants the whole table does not say which one it has, but for its position: an older one would be no use. */
function feedPath(receiver: string, from: RouteTable | undefined, wantsFull: boolean): string {
  const query = new URLSearchParams({ receiver });
  if (from !== undefined) {
    query.set("incarnation", from.position.incarnation);
    query.set("revision", String(from.position.revision));
    if (!wantsFull) query.set("digest", from.digest);
  }
  return `/internal/feed?${query.toString()}`;
}
