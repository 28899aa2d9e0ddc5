import type { OverlayFrame, RightsFrame, UrgentFrame } from "#lib/contracts/feed.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import type { LatestValue } from "#lib/latest-value.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CompiledTable, TableView } from "../../core/feed/compiled-table.ts";
import { certainlyAt, type RemoteClock } from "../../core/remote-clock.ts";
import { urgentEntries } from "../../core/feed/urgent-entries.ts";
import type { RightsLedger } from "../quota/rights.ts";
import type { RouteCompiler } from "./route-compiler.ts";
import { type Delivery, tableDeliveries, type TableMark } from "./table-deliveries.ts";
import type { Waves } from "./waves.ts";

/** An overlay outlives two lost heartbeats. */
const OVERLAY_VALID_MS = 3_000;

/** How far a receiver has been told. */
export interface ToldState {
  readonly receiver: string;
  readonly isGateway: boolean;
  /** Undefined where it does not tell. */
  clock: RemoteClock | undefined;
  sent: TableMark | null;
  /** What it is being sent now, and how many lines of it are written. */
  delivery: Delivery | undefined;
  linesWritten: number;
  /** The newest heartbeat that it heard, and the last with which it was told that nothing changed. */
  heartbeat: number;
  idleHeartbeat: number;
  /** The urgent entries that it was told last. */
  urgent: Buffer | undefined;
  /** The revision that it was asked to acknowledge. */
  askedRevision: number;
  /** The revision that it last acknowledged. */
  acknowledgedRevision: number;
}

export interface FeedSources {
  readonly table: CompiledTable;
  readonly compiler: Pick<RouteCompiler, "isReady" | "touchedSince" | "unchangedSince">;
  readonly waves: Waves;
  readonly overlay: LatestValue<readonly string[]>;
  readonly rights: RightsLedger;
  /** Infinite before the catalog was heard. */
  readonly replicaAgeMs: () => number;
  readonly clock: Clock;
}

export type Asked = "nobody" | "gateways" | "everybody";

export interface FeedLines {
  /** What the receiver must be told next, noted as told; undefined when it knows everything. */
  readonly next: (told: ToldState) => Buffer | undefined;
  /** The time has come to tell everybody that the federator is there, or the overlay changed. */
  readonly beat: () => void;
  /** While anybody waits for acknowledgements, those who are waited for are asked. */
  readonly setAsking: (who: Asked) => void;
}

const ASK = Buffer.from(`${JSON.stringify({ kind: "acknowledge" })}\n`);

export function feedLines(sources: FeedSources): FeedLines {
  const { table, compiler, waves, rights, clock } = sources;
  // Greater than any number an earlier process gave: a late acknowledgement of its frames is never mistaken for one of ours.
  let nonce = clock.wallMs() * 1_000;
  const nextNonce = (): number => (nonce += 1);
  const deliveries = tableDeliveries(compiler, nextNonce, clock.nowMs);
  let heartbeat = 0;
  let overlayNow: { readonly frame: OverlayFrame; readonly atMs: number } | undefined;
  const urgentLines = urgentLine(table);
  let asked: Asked = "nobody";
  const isAsked = ({ isGateway }: ToldState): boolean =>
    asked === "everybody" || (asked === "gateways" && isGateway);

  const nextTableLine = (told: ToldState): Buffer | undefined => {
    if (told.delivery === undefined) {
      const its = compiler.isReady() ? waves.tableFor(told.receiver) : undefined;
      if (its === undefined) return undefined;
      // A revision that changed nothing is told with the next heartbeat, or when somebody waits for it.
      const isIdle = told.sent?.digest === its.digest && told.idleHeartbeat === heartbeat;
      if (isIdle && !isAsked(told)) return undefined;
      told.idleHeartbeat = heartbeat;
      told.delivery = deliveries.find(told.sent, its, !waves.isFirst(told.receiver));
      told.linesWritten = 0;
    }
    const { delivery } = told;
    if (delivery === undefined) return undefined;
    const line = delivery.line(told.linesWritten);
    told.linesWritten += 1;
    if (told.linesWritten < delivery.count) return line;
    told.delivery = undefined;
    told.sent = delivery.to;
    return line;
  };
  const nextUrgentLine = (told: ToldState): Buffer | undefined => {
    if (!waves.isHolding() || waves.isFirst(told.receiver)) return undefined;
    const line = urgentLines(told.sent);
    if (line === undefined || line === told.urgent) return undefined;
    told.urgent = line;
    return line;
  };
  const nextQuestion = (told: ToldState): Buffer | undefined => {
    const revision = told.sent?.position.revision;
    if (revision === undefined || !(isAsked(told) || waves.isFirst(told.receiver)))
      return undefined;
    if (told.askedRevision === revision || told.acknowledgedRevision === revision) return undefined;
    told.askedRevision = revision;
    return ASK;
  };

  return {
    next: (told) => {
      if (told.heartbeat !== heartbeat) {
        told.heartbeat = heartbeat;
        told.askedRevision = -1;
        overlayNow ??= { atMs: clock.nowMs(), frame: overlay(sources) };
        return lineOf({ ...overlayNow.frame, ...asOf(told, overlayNow.atMs) });
      }
      // First the time: whatever holds this process up between the two makes the lease shorter, and never longer.
      const asOfNow = asOf(told, clock.nowMs());
      const rightsFrame = rights.next(told.receiver, nonce + 1);
      if (rightsFrame !== undefined) {
        nonce += 1;
        return lineOf({ ...rightsFrame, ...asOfNow });
      }
      return nextTableLine(told) ?? nextUrgentLine(told) ?? nextQuestion(told);
    },
    beat: () => {
      heartbeat += 1;
      overlayNow = undefined;
    },
    setAsking: (who) => {
      asked = who;
    },
  };
}

const lineOf = (frame: OverlayFrame | RightsFrame): Buffer =>
  Buffer.from(`${JSON.stringify(frame)}\n`);

/** The moment, on the receiver's clock. */
const asOf = ({ clock }: ToldState, atMs: number): Pick<RightsFrame, "asOfMs"> =>
  clock === undefined ? {} : { asOfMs: Math.floor(certainlyAt(clock, atMs)) };

function overlay({ overlay: down, compiler, replicaAgeMs }: FeedSources): OverlayFrame {
  const ageMs = replicaAgeMs();
  const unchangedSince = compiler.unchangedSince();
  return {
    kind: "overlay",
    downClusters: [...down.get()],
    validMs: OVERLAY_VALID_MS,
    ...(Number.isFinite(ageMs) ? { replicaAgeMs: Math.max(0, Math.round(ageMs)) } : {}),
    ...(unchangedSince === undefined ? {} : { unchangedSince }),
  };
}

/** What is urgent in the newest table, while that is anything; the same line until it changes. */
function urgentLine(table: CompiledTable): (sent: TableMark | null) => Buffer | undefined {
  let made: { readonly at: Position; readonly body: string; readonly line: Buffer } | undefined;
  const make = (newest: TableView): void => {
    const { entries, removed } = urgentEntries(newest, table.replacedKeys);
    const frame: UrgentFrame = {
      kind: "urgent",
      position: newest.position,
      entries: [...entries],
      ...(removed !== undefined && { removed: [...removed] }),
    };
    const body = JSON.stringify([table.approved()?.position, entries, removed]);
    const line = made?.body === body ? made.line : Buffer.from(`${JSON.stringify(frame)}\n`);
    made = { at: newest.position, body, line };
  };
  return (sent) => {
    const newest = table.newest();
    if (newest === undefined || sent?.position.incarnation !== newest.position.incarnation)
      return undefined;
    const { incarnation, revision } = newest.position;
    if (made?.at.incarnation !== incarnation || made.at.revision !== revision) make(newest);
    return made?.line;
  };
}
