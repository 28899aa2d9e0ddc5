import type { Position } from "#lib/contracts/route-table.ts";
import type { TextEntry } from "#lib/table-digest.ts";
import { type TableHead, tableLines } from "#lib/table-frames.ts";
import type { TableView } from "../../core/feed/compiled-table.ts";
import type { RouteCompiler } from "./route-compiler.ts";

/** Lines of one table that are kept while receivers take them at about the same time. */
const LINES_KEPT_MAX = 64;
/** Ways to one table that are kept, for receivers at as many different places. */
const PLACES_KEPT_MAX = 64;
/** A whole table serves receivers that come later for so long: they get what changed since right after it. */
const FULL_KEPT_MS = 5_000;

/** Of a receiver that wants the whole table, whatever it has at its position. */
export const UNKNOWN_DIGEST = "";

/** The table a receiver says it has, or was last sent. */
export interface TableMark {
  readonly position: Position;
  readonly digest: string;
}

/** What brings a receiver from one place to another, as lines that are the same for all at that place. */
export interface Delivery {
  /** Where the receiver is when it has taken all lines. */
  readonly to: TableMark;
  readonly count: number;
  readonly line: (index: number) => Buffer;
}

export interface TableDeliveries {
  /**
   * Undefined where the receiver has the table, or is ahead of it and keeps what it has until the table is there. One that is not
   * proved yet is kept for nobody else.
   */
  readonly find: (
    sent: TableMark | null,
    table: TableView,
    isProved: boolean,
  ) => Delivery | undefined;
}

/** Written out once for all receivers that are at the same place; `nextNonce` numbers each table once. */
export function tableDeliveries(
  compiler: Pick<RouteCompiler, "touchedSince">,
  nextNonce: () => number,
  nowMs: () => number,
): TableDeliveries {
  /** By the table they lead to: there are two while one is held back. */
  const ways = new Map<
    string,
    { readonly nonce: number; readonly byPlace: Map<number, Delivery> }
  >();
  let full: { readonly delivery: Delivery; readonly madeAtMs: number } | undefined;

  const waysTo = ({ position, digest }: TableView) => {
    const name = `${position.incarnation} ${position.revision} ${digest}`;
    const known = ways.get(name);
    if (known !== undefined) return known;
    const [oldest] = ways.keys();
    if (ways.size > 1 && oldest !== undefined) ways.delete(oldest);
    const made = { nonce: nextNonce(), byPlace: new Map<number, Delivery>() };
    ways.set(name, made);
    return made;
  };
  const wholeTable = (sent: TableMark | null, table: TableView, isProved: boolean): Delivery => {
    if (full !== undefined && nowMs() - full.madeAtMs <= FULL_KEPT_MS) {
      const { position } = full.delivery.to;
      const isNoStepBack =
        sent === null ||
        sent.position.incarnation !== position.incarnation ||
        sent.position.revision <= position.revision;
      const isOnTheWay =
        position.incarnation === table.position.incarnation &&
        position.revision <= table.position.revision &&
        compiler.touchedSince(position) !== undefined;
      if (isNoStepBack && isOnTheWay) return full.delivery;
    }
    const { position, digest } = table;
    const { nonce } = waysTo(table);
    const delivery = deliver({ kind: "full", nonce, position, digest }, table.entries());
    if (isProved) full = { delivery, madeAtMs: nowMs() };
    return delivery;
  };

  return {
    find: (sent, table, isProved) => {
      const { position, digest } = table;
      if (sent === null || sent.position.incarnation !== position.incarnation)
        return wholeTable(sent, table, isProved);
      const from = sent.position;
      if (from.revision > position.revision) return undefined;
      if (sent.digest === UNKNOWN_DIGEST) return wholeTable(sent, table, isProved);
      if (from.revision === position.revision)
        return sent.digest === digest ? undefined : wholeTable(sent, table, isProved);

      const { nonce, byPlace } = waysTo(table);
      const known = byPlace.get(from.revision);
      if (known !== undefined) return known;
      const touched = compiler.touchedSince(from);
      if (touched === undefined) return wholeTable(sent, table, isProved);
      const { upserts, removed } = changesOf(touched, table);
      const delivery = deliver({ kind: "delta", nonce, from, position, removed, digest }, upserts);
      if (byPlace.size < PLACES_KEPT_MAX) byPlace.set(from.revision, delivery);
      return delivery;
    },
  };
}

function changesOf(touched: ReadonlySet<string>, { textOf }: TableView) {
  const upserts: TextEntry[] = [];
  const removed: string[] = [];
  for (const key of touched) {
    const text = textOf(key);
    if (text === undefined) removed.push(key);
    else upserts.push({ key, text });
  }
  return { upserts, removed };
}

function deliver(head: TableHead, entries: readonly TextEntry[]): Delivery {
  const { count, line } = tableLines(head, entries);
  const kept = new Map<number, Buffer>();
  return {
    to: { position: head.position, digest: head.digest },
    count,
    line: (index) => {
      const known = kept.get(index);
      if (known !== undefined) return known;
      const written = Buffer.from(line(index));
      const [oldest] = kept.keys();
      if (kept.size >= LINES_KEPT_MAX && oldest !== undefined) kept.delete(oldest);
      kept.set(index, written);
      return written;
    },
  };
}
