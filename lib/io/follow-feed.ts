import type { Logger } from "pino";
import { Compile } from "typebox/compile";
import {
  type DeltaFrame,
  type FeedAck,
  FeedFrame,
  type FullFrame,
  type OverlayFrame,
  type RightsFrame,
} from "#lib/contracts/feed.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import { readJsonLines } from "#lib/io/json-lines.ts";
import type { Discovery } from "#lib/io/run-directory.ts";
import { tableFile } from "#lib/io/table-file.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import { oneAtATime } from "#lib/one-at-a-time.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { applyFrame, type RouteTable } from "#lib/route-table-state.ts";

/** Overlay frames come each second; a feed that is silent this long is taken for dead. */
const SILENCE_MAX_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
const ACK_TIMEOUT_MS = 2_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

const feedFrame = Compile(FeedFrame);

export interface FollowFeedOptions {
  /** Names this follower to the federator; unique in its zone. */
  readonly receiver: string;
  readonly zone: string;
  /** Where the last good table is kept. */
  readonly tableFile: string;
  readonly discovery: Discovery;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onOverlay?: (frame: OverlayFrame) => void;
  /** Must have taken effect when it returns: the frame is acknowledged then. */
  readonly onRights?: (frame: RightsFrame) => void;
}

export interface FeedFollower {
  /** The newest good table; from disk at first, undefined before the very first one. */
  readonly table: LatestValue<RouteTable | undefined>;
  /** When the federator last sent anything, in `clock.nowMs()`; undefined before that. */
  readonly heardAtMs: () => number | undefined;
  readonly close: () => Promise<void>;
}

/**
 * Follows the feed of this zone's federator for ever: full tables and changes checked against their digests, each acknowledged
 * or refused, the last good one kept on disk and served while no federator answers.
 */
export async function followFeed(options: FollowFeedOptions): Promise<FeedFollower> {
  const { clock, log } = options;
  const file = tableFile(options.tableFile);
  const table = latestValue(await file.load());
  const stopping = new AbortController();
  let heardAtMs: number | undefined;
  const saving = oneAtATime<RouteTable>((newest) =>
    file
      .save(newest)
      .catch((error: unknown) => log.error({ err: error }, "the route table is not on disk")),
  );

  const onFrame: OnFrame = (frame, ack) => {
    heardAtMs = clock.nowMs();
    switch (frame.kind) {
      case "overlay":
        options.onOverlay?.(frame);
        return "go-on";
      case "rights":
        options.onRights?.(frame);
        ack({ nonce: frame.nonce, position: table.get()?.position ?? null });
        return "go-on";
      default:
        return onTableFrame(frame, ack);
    }
  };
  const onTableFrame = (frame: FullFrame | DeltaFrame, ack: Ack): "go-on" | "needs-full" => {
    const before = table.get();
    const applied = applyFrame(before, frame);
    if (applied.kind === "applied") {
      table.set(applied.table);
      saving.offer(applied.table);
      ack({ nonce: frame.nonce, position: applied.table.position });
      return "go-on";
    }
    const { reason } = applied;
    log.warn({ position: frame.position, reason }, "route table refused");
    ack({ nonce: frame.nonce, position: before?.position ?? null, refused: reason });
    return applied.kind === "stale" ? "go-on" : "needs-full";
  };

  const following = keepFollowing(options, stopping.signal, () => table.get(), onFrame);
  return {
    table,
    heardAtMs: () => heardAtMs,
    close: async () => {
      stopping.abort(new Error("the follower was closed"));
      await following;
      await saving.settled();
    },
  };
}

type Ack = (ack: Omit<FeedAck, "receiver">) => void;
type OnFrame = (frame: FeedFrame, ack: Ack) => "go-on" | "needs-full";

/** Connects again after each end, sooner after a feed that had said something; never rejects. */
async function keepFollowing(
  options: FollowFeedOptions,
  signal: AbortSignal,
  current: () => RouteTable | undefined,
  onFrame: OnFrame,
): Promise<void> {
  const { clock, random, log } = options;
  let retryMs = RETRY_MIN_MS;
  let wantsFull = false;
  while (!signal.aborted) {
    let heard = 0;
    try {
      wantsFull = await readFeed(
        options,
        signal,
        wantsFull ? undefined : current(),
        (frame, ack) => {
          heard += 1;
          return onFrame(frame, ack);
        },
      );
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error }, "no feed from this zone's federator");
    }
    retryMs = heard > 1 ? RETRY_MIN_MS : Math.min(RETRY_MAX_MS, retryMs * 2);
    await clock.sleep(retryMs * (0.5 + random.next() / 2), signal).catch(() => undefined);
  }
}

/** One connection, until it ends; true when the next one must start from a full table. */
async function readFeed(
  options: FollowFeedOptions,
  signal: AbortSignal,
  from: RouteTable | undefined,
  onFrame: OnFrame,
): Promise<boolean> {
  const endpoint = (await options.discovery.list()).find(
    ({ program, zone }) => program === "federator" && zone === options.zone,
  );
  const baseUrl = endpoint?.urls.internal;
  if (baseUrl === undefined) throw new Error(`no federator of ${options.zone} is known`);

  const connection = new AbortController();
  const silence = setTimeout(
    () => connection.abort(new Error(`the feed was silent for ${SILENCE_MAX_MS} ms`)),
    SILENCE_MAX_MS,
  );
  const ending = AbortSignal.any([connection.signal, signal]);
  const acks = sendAcks(options, baseUrl, signal);
  try {
    const stream = await options.client.stream(baseUrl, {
      path: feedPath(options.receiver, from),
      timeoutMs: CONNECT_TIMEOUT_MS,
      signal: ending,
    });
    for await (const frame of readJsonLines(stream)) {
      silence.refresh();
      if (!feedFrame.Check(frame)) throw new Error("the federator sent a frame that is none");
      if (onFrame(frame, acks.offer) === "needs-full") return true;
    }
    return false;
  } finally {
    clearTimeout(silence);
    connection.abort(new Error("the feed ended"));
    await acks.settled();
  }
}

/** Acknowledgements are cumulative, so one is on its way at a time and the newest replaces what waits. */
function sendAcks(
  { client, receiver, log }: FollowFeedOptions,
  baseUrl: string,
  signal: AbortSignal,
) {
  return oneAtATime<Omit<FeedAck, "receiver">>(async (ack) => {
    const request = { method: "POST", path: "/internal/feed/acks" } as const;
    await client
      .json(baseUrl, { ...request, json: { receiver, ...ack }, timeoutMs: ACK_TIMEOUT_MS, signal })
      .catch((error: unknown) => log.debug({ err: error }, "an acknowledgement was not delivered"));
  });
}

function feedPath(receiver: string, from: RouteTable | undefined): string {
  const query = new URLSearchParams({ receiver });
  if (from !== undefined) {
    query.set("incarnation", from.position.incarnation);
    query.set("revision", String(from.position.revision));
    query.set("digest", from.digest);
  }
  return `/internal/feed?${query.toString()}`;
}
