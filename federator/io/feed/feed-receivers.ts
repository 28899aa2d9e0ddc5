import { type ClockStamp, type FeedAck, isGatewayReceiver } from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { Observation } from "#lib/contracts/zone-report.ts";
import { noteStamp } from "../../core/remote-clock.ts";
import type { FeedConnection } from "./feed-connection.ts";
import type { FeedSources, ToldState } from "./feed-lines.ts";
import type { TableMark } from "./table-deliveries.ts";

export interface ReceiverView {
  readonly receiver: string;
  readonly isGateway: boolean;
  /** What it last said to have in force, or a later one that is the same. */
  readonly position: Position | null;
  /** Where it is ahead of that: what it refuses already of a table that is held back. */
  readonly withdrawnPosition?: Position;
  /** Why it turned the newest table down; null when it did not. */
  readonly refused: string | null;
}

export interface ReceiverState extends ToldState {
  readonly isGateway: boolean;
  readonly connection: FeedConnection;
  position: Position | null;
  withdrawnPosition: Position | undefined;
  refused: { readonly position: Position | null; readonly reason: string } | null;
}

export const newcomer = (
  receiver: string,
  from: TableMark | null,
  stamp: ClockStamp | undefined,
  nowMs: number,
) => ({
  receiver,
  clock: stamp && { ...stamp, notedAtMs: nowMs },
  isGateway: isGatewayReceiver(receiver),
  sent: from,
  delivery: undefined,
  linesWritten: 0,
  heartbeat: -1,
  idleHeartbeat: -1,
  urgent: undefined,
  askedRevision: -1,
  acknowledgedRevision: -1,
  position: from?.position ?? null,
  withdrawnPosition: undefined,
});

/** Takes down what the receiver says to have in force, and what it turned down. */
export function note(state: ReceiverState, ack: FeedAck, nowMs: number): void {
  if (ack.clock !== undefined) state.clock = noteStamp(state.clock, ack.clock, nowMs);
  state.position = ack.position;
  state.withdrawnPosition = ack.withdrawnPosition;
  state.acknowledgedRevision = ack.position?.revision ?? -1;
  if (ack.refused !== undefined)
    state.refused = { position: ack.refusedPosition ?? null, reason: ack.refused };
  else if (!isBefore(ack.position, state.refused?.position ?? null)) state.refused = null;
}

const isBefore = (one: Position | null, other: Position | null): boolean =>
  one !== null &&
  other !== null &&
  one.incarnation === other.incarnation &&
  one.revision < other.revision;

interface Content {
  readonly since: Position;
  readonly newest: Position;
}

/** The newest table, and since when it has had its content; undefined while it is held back. */
export function contentOf({ compiler, table, waves }: FeedSources): Content | undefined {
  const since = compiler.unchangedSince();
  const newest = table.newest()?.position;
  return since === undefined || newest === undefined || waves.isHolding()
    ? undefined
    : { since, newest };
}

/** Whoever has the content of the newest table has that table, also where it was not told of revisions that changed nothing. */
export function viewReceiver(
  { receiver, isGateway, position, withdrawnPosition, refused }: ReceiverState,
  content: Content | undefined,
): ReceiverView {
  const isCurrent =
    content !== undefined &&
    position?.incarnation === content.since.incarnation &&
    position.revision >= content.since.revision &&
    position.revision < content.newest.revision;
  return {
    receiver,
    isGateway,
    position: isCurrent ? content.newest : position,
    ...(withdrawnPosition !== undefined && { withdrawnPosition }),
    refused: refused?.reason ?? null,
  };
}

/** The newest position that a gateway accepted counts when it is nobody's secret any more. */
export function describeStanding(
  receivers: ReadonlyMap<string, ReceiverState>,
  { table, waves }: FeedSources,
): Pick<Observation, "accepted" | "refused" | "agentAccepted"> {
  const approved = table.approved()?.position;
  let gateways: Position | undefined;
  let agents: Position | undefined;
  for (const { isGateway, position } of receivers.values()) {
    if (position === null || position.incarnation !== approved?.incarnation) continue;
    const newest = isGateway ? gateways : agents;
    if (newest !== undefined && !isBefore(newest, position)) continue;
    if (isGateway) gateways = position;
    else agents = position;
  }
  const accepted =
    gateways !== undefined && approved !== undefined && isBefore(approved, gateways)
      ? approved
      : gateways;
  const refused = waves.refusedPosition();
  return {
    ...(accepted === undefined ? {} : { accepted }),
    ...(agents === undefined ? {} : { agentAccepted: agents }),
    ...(refused === undefined ? {} : { refused }),
  };
}
