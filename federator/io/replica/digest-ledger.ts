import type { CatalogRecord } from "#lib/ports/catalog.ts";
import {
  addHash,
  bucketOf,
  type BucketSums,
  differingBuckets,
  emptySums,
  subtractHash,
} from "../../core/replica/multiset-digest.ts";
import { recordHash } from "./record-hash.ts";
import type { ReplicaTables } from "./replica-tables.ts";

/** How many records one step of a verification hashes; about 10 ms. */
const STEP_RECORDS = 2_000;

/** The sums of the records on disk, kept with each change, and now and then added up anew from what the disk really has. */
export interface DigestLedger {
  /** Before the tables are written; either may be undefined. */
  readonly change: (before: CatalogRecord | undefined, after: CatalogRecord | undefined) => void;
  readonly flush: () => void;
  /** Forgets what was not committed. */
  readonly reload: () => void;
  /** Undefined until the sums were added up once: a copy of a version that kept none. */
  readonly sums: () => Uint8Array | undefined;
  /** Adds up the next records; at the end of a round tells how many buckets were not as they should be, and takes them as they are. */
  readonly verifyStep: () => { readonly isDone: boolean; readonly differing: number };
}

interface Round {
  readonly sums: BucketSums;
  afterKey: string;
}

export function digestLedger(tables: ReplicaTables): DigestLedger {
  let sums = readSums(tables);
  let isDirty = false;
  let round: Round = { sums: emptySums(), afterKey: "" };

  const change: DigestLedger["change"] = (before, after) => {
    const key = before?.key ?? after?.key ?? "";
    const bucket = bucketOf(key);
    const targets = [sums, key <= round.afterKey ? round.sums : undefined];
    const removed = before && recordHash(before);
    const added = after && recordHash(after);
    for (const target of targets) {
      if (target === undefined) continue;
      if (removed !== undefined) subtractHash(target, bucket, removed);
      if (added !== undefined) addHash(target, bucket, added);
    }
    isDirty = true;
  };
  const flush = (): void => {
    if (isDirty && sums !== undefined) tables.setSums(bytesOf(sums));
    isDirty = false;
  };
  const finishRound = (): number => {
    const differing = sums === undefined ? 0 : differingBuckets(sums, round.sums).length;
    if (sums === undefined || differing > 0) {
      sums = round.sums;
      isDirty = true;
    }
    round = { sums: emptySums(), afterKey: "" };
    return differing;
  };
  return {
    change,
    flush,
    reload: () => {
      sums = readSums(tables);
      isDirty = false;
      round = { sums: emptySums(), afterKey: "" };
    },
    sums: () => sums && bytesOf(sums),
    verifyStep: () => {
      const records = tables.page({ afterKey: round.afterKey, limit: STEP_RECORDS });
      for (const record of records) addHash(round.sums, bucketOf(record.key), recordHash(record));
      const last = records.at(-1);
      if (records.length === STEP_RECORDS && last !== undefined) {
        round.afterKey = last.key;
        return { isDone: false, differing: 0 };
      }
      return { isDone: true, differing: finishRound() };
    },
  };
}

function readSums(tables: ReplicaTables): BucketSums | undefined {
  const stored = tables.sums();
  if (stored !== undefined) return sumsOf(stored);
  return tables.cursor() === undefined ? emptySums() : undefined;
}

const bytesOf = (sums: BucketSums): Uint8Array => new Uint8Array(sums.slice().buffer);

/** The sums as they were written. */
export const sumsOf = (bytes: Uint8Array): BucketSums =>
  new BigUint64Array(new Uint8Array(bytes).buffer);
