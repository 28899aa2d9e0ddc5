import type { Position } from "#lib/contracts/route-table.ts";
import type { CatalogRecord } from "#lib/ports/catalog.ts";
import { type RecordView, recordView } from "../../core/record-view.ts";
import { replicaEngine } from "./replica-engine.ts";
import type { ReplicaReads, ReplicaStore } from "./replica-store.ts";
import type { KeyRange, ReplicaTables, StrandedRecord } from "./replica-tables.ts";

/** What survives a crash of the program: give it to a new store. */
export interface MemoryReplicaDisk {
  readonly records: RecordView;
  readonly stranded: Map<string, StrandedRecord>;
  readonly notes: Map<string, string>;
  cursor: Position | undefined;
  sums: Uint8Array | undefined;
  /** The store that has it open; one that was left behind by a crash writes no more. */
  owner: object | undefined;
}

export const memoryReplicaDisk = (): MemoryReplicaDisk => ({
  records: recordView([]),
  stranded: new Map(),
  notes: new Map(),
  cursor: undefined,
  sums: undefined,
  owner: undefined,
});

/** The same engine as on SQLite, over a value in memory: a step is done when its promise is, and not before. */
export function memoryReplicaStore(disk: MemoryReplicaDisk): ReplicaStore {
  const owner = {};
  disk.owner = owner;
  const engine = replicaEngine(memoryTables(disk));
  let state = engine.state();
  let last: Promise<unknown> = Promise.resolve();
  return {
    state: () => state,
    reads: readsOf(disk),
    run: (call, ...args) => {
      const step = async () => {
        if (disk.owner !== owner) throw new Error("the replica is closed");
        // Each call takes the arguments that belong to it: see `ReplicaStore.run`.
        const run = engine[call] as (
          ...given: typeof args
        ) => ReturnType<(typeof engine)[typeof call]>;
        const result = run(...args);
        state = engine.state();
        return result;
      };
      const result = last.then(step);
      last = result.catch(() => undefined);
      return result;
    },
    close: async () => {
      await last;
      if (disk.owner === owner) disk.owner = undefined;
    },
  };
}

/** What a transaction would change lies over the disk until it is committed. */
interface Pending {
  readonly records: Map<string, CatalogRecord | null>;
  readonly stranded: Map<string, StrandedRecord | null>;
  readonly notes: Map<string, string>;
  cursor: Position | undefined;
  sums: Uint8Array | undefined;
}

const nothingPending = (): Pending => ({
  records: new Map(),
  stranded: new Map(),
  notes: new Map(),
  cursor: undefined,
  sums: undefined,
});

function memoryTables(disk: MemoryReplicaDisk): ReplicaTables {
  let pending = nothingPending();
  const over = <T>(changed: T | null | undefined, standing: () => T | undefined): T | undefined =>
    changed === undefined ? standing() : (changed ?? undefined);
  return {
    begin: () => {
      pending = nothingPending();
    },
    commit: () => {
      commit(disk, pending);
      pending = nothingPending();
    },
    rollback: () => {
      pending = nothingPending();
    },
    get: (key) => over(pending.records.get(key), () => disk.records.get(key)),
    put: (record) => pending.records.set(record.key, record),
    remove: (key) => pending.records.set(key, null),
    // Nothing is ever paged again where the same transaction has written.
    page: (range) => recordsBetween(disk.records, range),
    count: (prefix) => disk.records.list(prefix).length,
    stranded: (key) => over(pending.stranded.get(key), () => disk.stranded.get(key)),
    putStranded: (record) => pending.stranded.set(record.key, record),
    removeStranded: (key) => pending.stranded.set(key, null),
    removeAllStranded: () => {
      for (const key of disk.stranded.keys()) pending.stranded.set(key, null);
    },
    cursor: () => pending.cursor ?? disk.cursor,
    setCursor: (position) => {
      pending.cursor = position;
    },
    sums: () => pending.sums ?? disk.sums,
    setSums: (sums) => {
      pending.sums = sums;
    },
    note: (name) => pending.notes.get(name) ?? disk.notes.get(name),
    setNote: (name, text) => pending.notes.set(name, text),
    checkpoint: () => undefined,
    close: () => undefined,
  };
}

function commit(disk: MemoryReplicaDisk, pending: Pending): void {
  disk.records.apply(
    [...pending.records].map(([key, record]) =>
      record === null ? { kind: "delete", key } : { kind: "put", record },
    ),
  );
  for (const [key, record] of pending.stranded) {
    if (record === null) disk.stranded.delete(key);
    else disk.stranded.set(key, record);
  }
  for (const [name, text] of pending.notes) disk.notes.set(name, text);
  disk.cursor = pending.cursor ?? disk.cursor;
  disk.sums = pending.sums ?? disk.sums;
}

function readsOf(disk: MemoryReplicaDisk): ReplicaReads {
  const served = (key: string): CatalogRecord | undefined => {
    const record = disk.stranded.get(key);
    return record === undefined || record.isSuperseded ? undefined : { ...record, leaseId: null };
  };
  const all = (prefix: string): readonly CatalogRecord[] => {
    const records = disk.records.list(prefix);
    if (disk.stranded.size === 0) return records;
    const byKey = new Map(records.map((record) => [record.key, record]));
    for (const key of disk.stranded.keys()) {
      const record = served(key);
      if (record !== undefined && key.startsWith(prefix)) byKey.set(key, record);
    }
    return [...byKey.values()].toSorted(byKeyOrder);
  };
  return {
    get: (key) => served(key) ?? disk.records.get(key),
    page: (prefix, afterKey, limit) => {
      const records = all(prefix);
      const start = afterKey === "" ? 0 : firstAfter(records, afterKey);
      return start === 0 && limit >= records.length ? records : records.slice(start, start + limit);
    },
    count: (prefix) => all(prefix).length,
    copyOf: disk.records.get,
    copyPage: (range) => recordsBetween(disk.records, range),
    strandedPage: (prefix, afterKey, limit) =>
      [...disk.stranded.values()]
        .filter(({ key }) => key > afterKey && key.startsWith(prefix))
        .toSorted(byKeyOrder)
        .slice(0, limit),
  };
}

function recordsBetween(
  records: RecordView,
  { afterKey, toKey, limit }: KeyRange,
): readonly CatalogRecord[] {
  const all = records.list("");
  const start = firstAfter(all, afterKey);
  const end = toKey === undefined ? all.length : firstAfter(all, toKey);
  return all.slice(start, Math.min(end, start + limit));
}

const byKeyOrder = (one: { readonly key: string }, other: { readonly key: string }): number =>
  one.key < other.key ? -1 : 1;

function firstAfter(records: readonly CatalogRecord[], key: string): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((records[middle]?.key ?? "") <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
