import { recordHash } from "./record-hash.ts";
import type { ReplicaTables, StrandedRecord } from "./replica-tables.ts";

const NOTE = "stranded";
const MODULUS = 1n << 64n;

export interface StrandedCount {
  /** Shown instead of what the catalog has. */
  readonly served: number;
  /** Kept for the operator only: the catalog has said something else of their keys since. */
  readonly superseded: number;
  /** Eight hex digits that stand for those that are served. */
  readonly digest: string;
}

/** The stranded records and their count, which is worked out as they come and go: there may be a million of them. */
export interface StrandedLedger {
  readonly count: () => StrandedCount;
  readonly keep: (record: Omit<StrandedRecord, "isSuperseded">) => void;
  readonly drop: (key: string) => void;
  readonly dropAll: () => void;
  /** The catalog has this of the key now: the same, and nothing is stranded any more, or something else. */
  readonly heard: (key: string, value: string | undefined) => void;
  readonly flush: () => void;
  readonly reload: () => void;
}

interface Tally {
  served: number;
  superseded: number;
  sum: bigint;
}

export function strandedLedger(tables: ReplicaTables): StrandedLedger {
  let tally = readTally(tables);
  let isDirty = false;

  const count = (record: StrandedRecord, by: 1 | -1): void => {
    isDirty = true;
    if (record.isSuperseded) tally.superseded += by;
    else {
      tally.served += by;
      tally.sum = (tally.sum + MODULUS + BigInt(by) * recordHash(record)[0]) % MODULUS;
    }
  };
  const drop = (key: string): void => {
    const before = tables.stranded(key);
    if (before === undefined) return;
    count(before, -1);
    tables.removeStranded(key);
  };
  const keep = (record: StrandedRecord): void => {
    drop(record.key);
    count(record, 1);
    tables.putStranded(record);
  };
  return {
    count: () => ({
      served: tally.served,
      superseded: tally.superseded,
      digest: tally.sum.toString(16).padStart(16, "0").slice(0, 8),
    }),
    keep: (record) => keep({ ...record, isSuperseded: false }),
    drop,
    dropAll: () => {
      tables.removeAllStranded();
      tally = { served: 0, superseded: 0, sum: 0n };
      isDirty = true;
    },
    heard: (key, value) => {
      if (tally.served === 0 && tally.superseded === 0) return;
      const before = tables.stranded(key);
      if (before === undefined) return;
      if (before.value === value) drop(key);
      else if (!before.isSuperseded) keep({ ...before, isSuperseded: true });
    },
    flush: () => {
      const { served, superseded, sum } = tally;
      if (isDirty) tables.setNote(NOTE, JSON.stringify([served, superseded, sum.toString(16)]));
      isDirty = false;
    },
    reload: () => {
      tally = readTally(tables);
      isDirty = false;
    },
  };
}

function readTally(tables: ReplicaTables): Tally {
  const note: unknown = JSON.parse(tables.note(NOTE) ?? "[0, 0, 0]");
  if (!Array.isArray(note))
    throw new Error("the replica's count of stranded records is unreadable");
  return {
    served: Number(note[0]),
    superseded: Number(note[1]),
    sum: BigInt(`0x${String(note[2])}`),
  };
}
