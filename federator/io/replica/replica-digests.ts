import { hash } from "node:crypto";
import { endianness } from "node:os";
import type { BucketEntry, DigestMark } from "#lib/contracts/replica-wire.ts";
import type { Position } from "#lib/contracts/route-table.ts";
import { BUCKETS } from "../../core/replica/multiset-digest.ts";
import { sumsOf } from "./digest-ledger.ts";
import { hashText } from "./record-hash.ts";
import type { ReplicaState } from "./replica-state.ts";

const DIGEST_HEX_LENGTH = 32;

/** What one replica tells another of its records: answered here for this zone's, asked over the wire of the others. */
export interface ReplicaDigests {
  /** Newest first. */
  readonly marks: (signal: AbortSignal) => Promise<readonly DigestMark[]>;
  /** Of each bucket; null when that position is forgotten. */
  readonly sums: (position: Position, signal: AbortSignal) => Promise<readonly string[] | null>;
  readonly bucket: (bucket: number, signal: AbortSignal) => Promise<readonly BucketEntry[]>;
}

export function replicaDigests(state: ReplicaState): ReplicaDigests {
  return {
    marks: async () =>
      state.digests().map(({ position, sums }) => ({ position, digest: digestOf(sums) })),
    sums: async ({ incarnation, revision }) => {
      const found = state
        .digests()
        .find(
          ({ position }) => position.incarnation === incarnation && position.revision === revision,
        );
      return found === undefined ? null : bucketTexts(found.sums);
    },
    bucket: async (bucket, signal) => {
      const entries: BucketEntry[] = [];
      for (let afterKey: string | null = ""; afterKey !== null;) {
        signal.throwIfAborted();
        const from: string = afterKey;
        const step = await state.exclusively(() => state.run("listBucket", bucket, from));
        entries.push(...step.entries);
        afterKey = step.nextAfterKey;
      }
      return entries;
    },
  };
}

/** The same on machines of either byte order, as it goes from one to another. */
const bucketTexts = (bytes: Uint8Array): readonly string[] => {
  const sums = sumsOf(bytes);
  return Array.from({ length: BUCKETS }, (_, bucket) =>
    hashText([sums[2 * bucket] ?? 0n, sums[2 * bucket + 1] ?? 0n]),
  );
};

/** One line for all buckets, the same on machines of either byte order; asked for the same sums again and again. */
export function digestOf(bytes: Uint8Array): string {
  const known = digestsMade.get(bytes);
  if (known !== undefined) return known;
  const littleEndian = endianness() === "LE" ? bytes : Buffer.from(bytes).swap64();
  const made = hash("sha256", littleEndian).slice(0, DIGEST_HEX_LENGTH);
  digestsMade.set(bytes, made);
  return made;
}

const digestsMade = new WeakMap<Uint8Array, string>();
