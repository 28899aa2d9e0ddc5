import { isUrgentKey, type Position } from "#lib/contracts/route-table.ts";
import { decodeEntry } from "#lib/decode-entry.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { canonicalJson } from "#lib/table-digest.ts";
import type { CompiledTable } from "../../core/feed/compiled-table.ts";
import {
  compileEntry,
  ENTRY_PREFIXES,
  entriesTouchedBy,
  fallsBackByHand,
  fixedEntries,
} from "../../core/feed/compile-routes.ts";
import { deltaLog } from "../../core/feed/delta-log.ts";
import type { ChangeSize } from "../../core/feed/plan-waves.ts";
import type { RecordReader } from "../../core/record-reader.ts";
import type { AppliedRevision } from "../../ports.ts";
import type { RunningReplica } from "../replica/replica.ts";

/** Compiling everything gives way to other work after so long. */
const SLICE_MS = 8;
const PAGE_RECORDS = 200;

/** What the next table changes, before anybody can see it. */
export interface PlannedChange {
  readonly position: Position;
  /** Undefined for the first table. */
  readonly size: Omit<ChangeSize, "isNewFormat"> | undefined;
  readonly keys: Iterable<string>;
  /** Why entries of it do not check, by key. */
  readonly faults: ReadonlyMap<string, string>;
}

export interface CompilerOptions {
  readonly replica: Pick<RunningReplica, "position" | "page" | "onApplied">;
  readonly records: RecordReader;
  readonly clusterIds: readonly string[];
  readonly table: CompiledTable;
  readonly clock: Clock;
  /** May hold the table before the change is applied. */
  readonly beforeApply: (change: PlannedChange) => void;
}

/** Keeps the zone's table at the replica's position, and knows the way to it from the positions before. */
export interface RouteCompiler {
  /** False until the first table is whole. */
  readonly isReady: () => boolean;
  /** Whether any function's failback is manual; undefined until the first table is whole. */
  readonly hasManualFailback: () => boolean | undefined;
  /** Entries that may differ between the position and now; undefined when only the whole table helps. */
  readonly touchedSince: (from: Position) => ReadonlySet<string> | undefined;
  /** When the newest table got the content it has. */
  readonly unchangedSince: () => Position | undefined;
  readonly onTable: (listener: () => void) => void;
  readonly close: () => Promise<void>;
}

export function routeCompiler(options: CompilerOptions): RouteCompiler {
  const { replica, records, clusterIds, table, clock } = options;
  const log = deltaLog();
  const listeners = new Set<() => void>();
  const faults = new Map<string, string>();
  const byHand = new Set<string>();
  const closing = new AbortController();
  let functions = 0;
  let isReady = false;
  let unchangedSince: Position | undefined;
  /** Entries touched while everything is compiled; undefined while it is not. */
  let touchedMeanwhile: Set<string> | undefined;

  const compile = (key: string): string | undefined => {
    const entry = compileEntry(key, records);
    faults.delete(key);
    if (fallsBackByHand(entry)) byHand.add(key);
    else byHand.delete(key);
    if (entry === undefined) return undefined;
    const text = canonicalJson(entry);
    const decoded = decodeEntry({ key, text });
    if (decoded.kind === "refused") faults.set(key, decoded.reason);
    return text;
  };
  /** Of those, the ones that differ from the table. */
  const compileDifferent = (keys: Iterable<string>): Map<string, string | undefined> => {
    const textOf = table.newest()?.textOf;
    const changes = new Map<string, string | undefined>();
    for (const key of keys) {
      const text = compile(key);
      // With no earlier table to keep, one entry that does not check is left out.
      const kept = isReady || !faults.has(key) ? text : undefined;
      if (kept !== textOf?.(key)) changes.set(key, kept);
    }
    return changes;
  };
  const put = (position: Position, changes: ReadonlyMap<string, string | undefined>): void => {
    const textOf = table.newest()?.textOf;
    for (const [key, text] of changes)
      if (key.startsWith("function/"))
        functions += Number(text !== undefined) - Number(textOf?.(key) !== undefined);
    table.apply(position, changes);
  };
  const apply = (position: Position, changes: Map<string, string | undefined>): void => {
    const before = table.newest();
    if (isReady) {
      const size = measure(changes, before?.size ?? 0, functions);
      options.beforeApply({ position, size, keys: changes.keys(), faults });
    }
    put(position, changes);
    const isContinued = isReady && before?.position.incarnation === position.incarnation;
    if (isContinued) log.append(position, [...changes.keys()]);
    else log.restart(position);
    if (changes.size > 0 || !isContinued) unchangedSince = position;
    isReady = true;
    for (const listener of listeners) listener();
  };

  /** Gives way now and then; what is touched meanwhile is compiled again at the end. */
  const compileAll = async (): Promise<void> => {
    const touched = new Set<string>();
    touchedMeanwhile = touched;
    const position = replica.position();
    if (!isReady) options.beforeApply({ position, size: undefined, keys: [], faults });
    const changes = new Map<string, string | undefined>();
    const seen = new Set<string>();
    let sliceEndsMs = clock.nowMs() + SLICE_MS;
    for (const keys of everything(replica, clusterIds)) {
      const different = compileDifferent(keys);
      for (const key of keys) seen.add(key);
      // Nobody sees a first table before it is whole, so that it need not be there twice.
      if (isReady) for (const [key, text] of different) changes.set(key, text);
      else put(position, different);
      if (clock.nowMs() < sliceEndsMs) continue;
      await clock.sleep(0, closing.signal);
      if (touchedMeanwhile !== touched) return;
      sliceEndsMs = clock.nowMs() + SLICE_MS;
    }
    for (const { key } of table.newest()?.entries() ?? []) {
      if (seen.has(key)) continue;
      changes.set(key, undefined);
      byHand.delete(key);
    }
    for (const key of touched) changes.delete(key);
    for (const [key, text] of compileDifferent(touched)) changes.set(key, text);
    touchedMeanwhile = undefined;
    apply(replica.position(), changes);
  };

  let compiling: Promise<void> = Promise.resolve();
  const startCompiling = (): void => {
    compiling = compileAll().catch((error: unknown) => {
      if (!closing.signal.aborted) throw error;
    });
  };
  const onApplied = ({ position, changes, isSnapshot }: AppliedRevision): void => {
    if (isSnapshot || (!isReady && touchedMeanwhile === undefined)) {
      startCompiling();
      return;
    }
    const touched = changes.flatMap((change) =>
      entriesTouchedBy(change.kind === "put" ? change.record.key : change.key, clusterIds),
    );
    if (touchedMeanwhile === undefined) apply(position, compileDifferent(new Set(touched)));
    else for (const key of touched) touchedMeanwhile.add(key);
  };

  if (replica.position().incarnation !== "") startCompiling();
  const stop = replica.onApplied(onApplied);
  return {
    isReady: () => isReady,
    hasManualFailback: () => (isReady ? byHand.size > 0 : undefined),
    touchedSince: log.touchedSince,
    unchangedSince: () => unchangedSince,
    onTable: (listener) => {
      listeners.add(listener);
    },
    close: async () => {
      stop();
      closing.abort(new Error("the compiler was closed"));
      await compiling;
    },
  };
}

/** The keys of all entries there may be, page by page. */
function* everything(
  replica: Pick<RunningReplica, "page">,
  clusterIds: readonly string[],
): Generator<readonly string[]> {
  yield fixedEntries(clusterIds);
  for (const prefix of ENTRY_PREFIXES) {
    let afterKey = "";
    for (;;) {
      const records = replica.page(prefix, afterKey, PAGE_RECORDS);
      const last = records.at(-1);
      if (last === undefined) break;
      afterKey = last.key;
      yield records.flatMap(({ key }) => entriesTouchedBy(key, clusterIds));
    }
  }
}

function measure(
  changes: ReadonlyMap<string, string | undefined>,
  entries: number,
  functions: number,
): NonNullable<PlannedChange["size"]> {
  let changed = 0;
  let functionsRemoved = 0;
  for (const [key, text] of changes) {
    if (!isUrgentKey(key)) changed += 1;
    if (text === undefined && key.startsWith("function/")) functionsRemoved += 1;
  }
  return { changed, entries, functionsRemoved, functions };
}
