import {
  type DeltaFrame,
  type FeedFrame,
  type FullFrame,
  type OverlayFrame,
  type RightsFrame,
  type UrgentFrame,
} from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import {
  type Ack,
  type FeedLinkOptions,
  type FeedListener,
  keepFollowing,
  type SendAck,
} from "#lib/io/feed-link.ts";
import { keepOnDisk } from "#lib/io/keep-on-disk.ts";
import { type TableFile, tableFile } from "#lib/io/table-file.ts";
import { type LatestValue, latestValue } from "#lib/latest-value.ts";
import type { EntryChange, RouteTable } from "#lib/route-table-state.ts";

export interface FollowFeedOptions extends FeedLinkOptions {
  /** Where the last good table is kept. */
  readonly tableFile: string;
  readonly onOverlay?: (frame: OverlayFrame) => void;
  /**
   * Must have taken effect when it returns: the frame is acknowledged then. `leaseEndsMs` is when its leases end, by `clock`: earlier
   * than their time after now, where the frame was read late.
   */
  readonly onRights?: (frame: RightsFrame, leaseEndsMs: number) => void;
}

export interface FeedFollower {
  /** The newest good table; from disk at first, undefined before the very first one. */
  readonly table: LatestValue<RouteTable | undefined>;
  /** Calls back with the entries that each new table changed, before `table` has it; returns the function that stops it. */
  readonly onChanges: (listener: (changes: readonly EntryChange[]) => void) => () => void;
  /** When the federator last sent anything, in `clock.nowMs()`; undefined before that. */
  readonly heardAtMs: () => number | undefined;
  /** When the catalog itself is known to have had nothing newer than the table; undefined before that. */
  readonly confirmedAtMs: () => number | undefined;
  /** Tells the federator, as often as it must be told, that this receiver admits nothing any more on the rights it was given. */
  readonly giveUpRights: () => void;
  readonly close: () => Promise<void>;
}

/**
 * Follows the feed of this zone's federator for ever: full tables and changes checked against their digests, each acknowledged
 * or refused, the last good one kept on disk and served while no federator answers.
 */
export const followFeed = (options: FollowFeedOptions): Promise<FeedFollower> =>
  followFeedOnto(tableFile(options.tableFile, options.log), options);

/** The same, onto a disk that the caller brings. */
export async function followFeedOnto(
  file: TableFile,
  options: Omit<FollowFeedOptions, "tableFile">,
): Promise<FeedFollower> {
  const { clock, log } = options;
  const state = await file.load();
  const table = latestValue(state.table());
  const listeners = new Set<(changes: readonly EntryChange[]) => void>();
  const stopping = new AbortController();
  const disk = keepOnDisk(file, state, clock, log, stopping.signal);
  let heardAtMs: number | undefined;
  let confirmedAtMs: number | undefined;
  let nonce = 0;
  let isLeaving = false;
  let sendAck: SendAck | undefined;

  const inForce = (): Ack => {
    const { position = null, withdrawnPosition } = table.get() ?? {};
    return {
      nonce,
      position,
      ...(withdrawnPosition !== undefined && { withdrawnPosition }),
      ...(isLeaving && { isLeaving }),
    };
  };
  const acknowledge = (send: SendAck, when: "now" | "soon"): void => send(inForce(), when);
  const refuse = (send: SendAck, reason: string, position: Position | undefined): void => {
    log.warn({ position, reason }, "route table refused");
    const refusedPosition = position === undefined ? {} : { refusedPosition: position };
    send({ ...inForce(), refused: reason.slice(0, 1_000), ...refusedPosition }, "now");
  };

  const onTableFrame = (
    frame: FullFrame | DeltaFrame | UrgentFrame,
    send: SendAck,
  ): "go-on" | "needs-full" => {
    const taken = state.take(frame);
    switch (taken.kind) {
      case "taken":
        return "go-on";
      case "applied":
        for (const listener of listeners) listener(taken.changes);
        table.set(state.table());
        if (frame.kind !== "urgent") disk.changed();
        acknowledge(send, "soon");
        return "go-on";
      case "stale":
        refuse(send, taken.reason, taken.position);
        return "go-on";
      case "refused":
        refuse(send, taken.reason, taken.position);
        return "needs-full";
    }
  };
  const onFrame = (frame: FeedFrame, send: SendAck): "go-on" | "needs-full" => {
    const nowMs = clock.nowMs();
    heardAtMs = nowMs;
    sendAck = send;
    if ("nonce" in frame) nonce = Math.max(nonce, frame.nonce);
    switch (frame.kind) {
      case "overlay":
        if (isConfirmedBy(frame, table.get()?.position))
          confirmedAtMs = Math.max(
            confirmedAtMs ?? Number.NEGATIVE_INFINITY,
            spokenAtMs(frame, nowMs) - (frame.replicaAgeMs ?? 0),
          );
        options.onOverlay?.(frame);
        return "go-on";
      case "rights":
        options.onRights?.(frame, spokenAtMs(frame, nowMs) + frame.leaseValidMs);
        acknowledge(send, "now");
        return "go-on";
      case "acknowledge":
        acknowledge(send, "now");
        return "go-on";
      case "part":
        state.take(frame);
        return "go-on";
      default:
        return onTableFrame(frame, send);
    }
  };

  const listener: FeedListener = {
    table: table.get,
    onFrame,
    onInvalid: (send) => refuse(send, "a frame does not fit its schema", undefined),
    onEnd: state.dropParts,
  };
  const following = keepFollowing(options, listener, stopping.signal);
  return {
    table,
    onChanges: (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    heardAtMs: () => heardAtMs,
    confirmedAtMs: () => confirmedAtMs,
    giveUpRights: () => {
      isLeaving = true;
      sendAck?.(inForce(), "now");
    },
    close: async () => {
      stopping.abort(new Error("the follower was closed"));
      await following;
      await disk.settled();
    },
  };
}

/** When what the frame says was true, at the earliest; a federator of the version before does not tell. */
const spokenAtMs = ({ asOfMs }: OverlayFrame | RightsFrame, nowMs: number): number =>
  Math.min(asOfMs ?? nowMs, nowMs);

/** Whether the sender, which says how old its own knowledge is, has nothing that is not in force here. */
function isConfirmedBy(
  { replicaAgeMs, unchangedSince }: OverlayFrame,
  position: Position | undefined,
): boolean {
  return (
    replicaAgeMs !== undefined &&
    unchangedSince !== undefined &&
    position?.incarnation === unchangedSince.incarnation &&
    position.revision >= unchangedSince.revision
  );
}
