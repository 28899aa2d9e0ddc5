import type { DeltaFrame, FullFrame, PartFrame, UrgentFrame } from "#lib/contracts/feed.ts";
import {
  isCallerKey,
  isUrgentKey,
  type Position,
  type RouteEntry,
} from "#lib/contracts/route-table.ts";
import { decodeEntry } from "#lib/decode-entry.ts";
import { type KeptEntry, readEntry } from "#lib/kept-entry.ts";
import { addHash, digestText, entryHash, subtractHash, type TextEntry } from "#lib/table-digest.ts";

/** More than any zone has; whoever sends more sends nonsense. */
const ENTRIES_MAX = 5_000_000;
/** Enough of a digest to tell two apart. */
const HEX_SHOWN = 16;

/** Entries by `entryKey`; those of unknown kinds are not among them. */
export interface RouteEntries {
  /** Those of unknown kinds included. */
  readonly size: number;
  readonly get: (key: string) => RouteEntry | undefined;
  readonly has: (key: string) => boolean;
  readonly keys: () => Iterable<string>;
  readonly values: () => Iterable<RouteEntry>;
}

/**
 * A route table in force, at one position. Its entries are shared with the tables after it, which change them in place, in one
 * synchronous step: whoever reads all it needs before it awaits anything sees one table. After that it sees the newest entries.
 */
export interface RouteTable {
  readonly position: Position;
  readonly digest: string;
  readonly entries: RouteEntries;
  /** Set where it is ahead of `position`: up to here, suspended tenants and revoked keys are gone from the entries. */
  readonly withdrawnPosition?: Position | undefined;
}

export interface EntryChange {
  readonly key: string;
  readonly before: KeptEntry | undefined;
  readonly after: KeptEntry | undefined;
}

export type TableFrame = PartFrame | FullFrame | DeltaFrame | UrgentFrame;

/** `stale` and `refused` leave the table before in force; the reason is for the federator and the log. */
export type Taken =
  /** Nothing of the frame is in force, or nothing of it is for anybody but those who ask: parts of a table, urgent entries. */
  | { readonly kind: "taken" }
  | { readonly kind: "applied"; readonly changes: readonly EntryChange[] }
  /** Whole, but older than what is in force: the sender lags and will catch up. */
  | { readonly kind: "stale"; readonly reason: string; readonly position: Position }
  /** Does not fit or does not add up: only a full table helps. */
  | { readonly kind: "refused"; readonly reason: string; readonly position: Position | undefined };

export interface RouteTableState {
  readonly table: () => RouteTable | undefined;
  /**
   * All or nothing: a frame that goes back, starts elsewhere, does not check or does not add up changes nothing. What this program
   * itself wrote to its disk was checked before, and is only added up.
   */
  readonly take: (frame: TableFrame, from?: "federator" | "own-disk") => Taken;
  /** The connection ended: parts that were never completed are dropped. */
  readonly dropParts: () => void;
  /** The table's entries as they came, urgent ones left aside; to be written to disk. */
  readonly texts: () => readonly TextEntry[];
}

interface InForce {
  readonly position: Position;
  readonly sum: bigint;
  readonly entries: Map<string, KeptEntry>;
}

/** Entries that came for a table which is not complete yet. */
interface Staged {
  readonly entries: Map<string, KeptEntry>;
  /** Those that are new or other than in the table in force, noted as they come: a large table at once would hold up the loop. */
  readonly changes: EntryChange[];
  /** Entries that the table in force has, too. */
  inBoth: number;
  sum: bigint;
  /** The first entry that does not check. */
  fault: string | undefined;
}

interface Urgent {
  readonly position: Position;
  readonly entries: ReadonlyMap<string, KeptEntry>;
  /** Undefined: nothing is said of tenants and keys. */
  readonly removed: ReadonlySet<string> | undefined;
}

export function routeTableState(): RouteTableState {
  let inForce: InForce | undefined;
  let urgent: Urgent | undefined;
  let table: RouteTable | undefined;
  let staged = nothingStaged();

  const stage = (entries: readonly TextEntry[], isChecked: boolean): void => {
    for (const { key, text } of entries) {
      if (staged.entries.has(key)) staged.fault ??= `the entry ${key} comes twice`;
      if (staged.entries.size >= ENTRIES_MAX) {
        staged.fault ??= `there are more than ${ENTRIES_MAX} entries`;
        return;
      }
      staged.sum = addHash(staged.sum, entryHash(key, text));
      const before = inForce?.entries.get(key);
      if (before !== undefined) staged.inBoth += 1;
      if (before?.text === text) {
        staged.entries.set(key, before);
        continue;
      }
      const decoded = isChecked ? undefined : decodeEntry({ key, text });
      if (decoded?.kind === "refused") staged.fault ??= decoded.reason;
      const after = { key, text, decoded: undefined };
      staged.entries.set(key, after);
      staged.changes.push({ key, before, after });
    }
  };
  const putInForce = (next: InForce): void => {
    inForce = next;
    if (urgent !== undefined && !isAhead(urgent.position, next.position)) urgent = undefined;
    table = viewTable(next, urgent);
  };

  const takeFull = (frame: FullFrame): Taken => {
    const { entries, sum, fault, changes, inBoth } = staged;
    const { position } = frame;
    staged = nothingStaged();
    const older = goesBack(inForce, frame);
    if (older !== undefined) return { kind: "stale", reason: older, position };
    const reason = fault ?? doesNotAddUp(sum, frame.digest);
    if (reason !== undefined) return { kind: "refused", reason, position };
    const before = inForce?.entries ?? new Map<string, KeptEntry>();
    const removed = inBoth === before.size ? [] : removals(before, entries);
    putInForce({ position, sum, entries });
    return { kind: "applied", changes: [...changes, ...removed] };
  };

  const takeDelta = (frame: DeltaFrame): Taken => {
    const { entries: upserts, sum: added, fault } = staged;
    const { position } = frame;
    staged = nothingStaged();
    const elsewhere = doesNotFollow(inForce, frame);
    if (inForce === undefined || elsewhere !== undefined)
      return { kind: "refused", reason: elsewhere ?? "there is no table here", position };

    const { entries } = inForce;
    const changes: EntryChange[] = [];
    let sum = addHash(inForce.sum, added);
    for (const key of new Set([...frame.removed, ...upserts.keys()])) {
      const before = entries.get(key);
      const after = upserts.get(key);
      if (before !== undefined) sum = subtractHash(sum, entryHash(key, before.text));
      if (before !== after) changes.push({ key, before, after });
    }
    const reason = fault ?? doesNotAddUp(sum, frame.digest);
    if (reason !== undefined) return { kind: "refused", reason, position };
    for (const { key, after } of changes)
      if (after === undefined) entries.delete(key);
      else entries.set(key, after);
    putInForce({ position, sum, entries });
    return { kind: "applied", changes };
  };

  const takeUrgent = (frame: UrgentFrame): Taken => {
    const { position } = frame;
    if (inForce === undefined || !isAhead(position, inForce.position)) return { kind: "taken" };
    const entries = new Map<string, KeptEntry>();
    for (const { key, text } of frame.entries) {
      const decoded = decodeEntry({ key, text });
      if (decoded.kind === "refused")
        return { kind: "refused", reason: decoded.reason, position: undefined };
      const isSuspension = decoded.kind === "known" && isSuspended(decoded.entry);
      if (isUrgentKey(key) || isSuspension) entries.set(key, { key, text, decoded: undefined });
    }
    const removed = frame.removed && new Set(frame.removed.filter(isCallerKey));
    urgent = { position, entries, removed };
    table = viewTable(inForce, urgent);
    return { kind: "applied", changes: [] };
  };

  return {
    table: () => table,
    take: (frame, from = "federator") => {
      const isChecked = from === "own-disk";
      switch (frame.kind) {
        case "part":
          stage(frame.entries, isChecked);
          return { kind: "taken" };
        case "full":
          stage(frame.entries, isChecked);
          return takeFull(frame);
        case "delta":
          stage(frame.upserts, isChecked);
          return takeDelta(frame);
        case "urgent":
          return takeUrgent(frame);
      }
    },
    dropParts: () => {
      staged = nothingStaged();
    },
    texts: () => (inForce === undefined ? [] : [...inForce.entries.values()]),
  };
}

function viewTable({ position, sum, entries }: InForce, urgent: Urgent | undefined): RouteTable {
  const find = (key: string): KeptEntry | undefined => {
    if (urgent === undefined) return entries.get(key);
    if (isUrgentKey(key)) return urgent.entries.get(key);
    if (!isCallerKey(key)) return entries.get(key);
    return urgent.removed?.has(key) === true
      ? undefined
      : (urgent.entries.get(key) ?? entries.get(key));
  };
  return {
    position,
    withdrawnPosition: urgent?.removed === undefined ? undefined : urgent.position,
    digest: digestText(sum),
    entries: {
      get size() {
        return entries.size;
      },
      get: (key) => readEntry(find(key)),
      has: (key) => find(key) !== undefined,
      keys: () => entries.keys(),
      *values() {
        for (const key of entries.keys()) {
          const entry = readEntry(find(key));
          if (entry !== undefined) yield entry;
        }
      },
    },
  };
}

const nothingStaged = (): Staged => ({
  entries: new Map(),
  changes: [],
  inBoth: 0,
  sum: 0n,
  fault: undefined,
});

function removals(
  before: ReadonlyMap<string, KeptEntry>,
  after: ReadonlyMap<string, KeptEntry>,
): readonly EntryChange[] {
  const changes: EntryChange[] = [];
  for (const [key, entry] of before)
    if (!after.has(key)) changes.push({ key, before: entry, after: undefined });
  return changes;
}

const isSuspended = (entry: RouteEntry): boolean =>
  entry.kind === "tenant" && entry.isSuspended === true;

const isAhead = (one: Position, other: Position): boolean =>
  one.incarnation === other.incarnation && one.revision > other.revision;

function doesNotAddUp(sum: bigint, digest: string): string | undefined {
  const actual = digestText(sum);
  return actual === digest
    ? undefined
    : `the table does not have the digest ${digest.slice(0, HEX_SHOWN)} but ${actual.slice(0, HEX_SHOWN)}`;
}

function goesBack(current: InForce | undefined, frame: FullFrame): string | undefined {
  return current !== undefined && isAhead(current.position, frame.position)
    ? `revision ${frame.position.revision} is older than ${current.position.revision} in force here`
    : undefined;
}

function doesNotFollow(current: InForce | undefined, frame: DeltaFrame): string | undefined {
  if (current === undefined) return "there is no table here to change";
  const { from, position } = frame;
  if (
    from.incarnation !== current.position.incarnation ||
    from.revision !== current.position.revision
  )
    return `the change starts at ${describe(from)}, the table here is at ${describe(current.position)}`;
  if (position.incarnation !== from.incarnation || position.revision < from.revision)
    return `the change leads back, from ${describe(from)} to ${describe(position)}`;
  return undefined;
}

const describe = (position: Position): string => `${position.incarnation}@${position.revision}`;
