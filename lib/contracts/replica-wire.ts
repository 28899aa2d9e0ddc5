import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { Position } from "./route-table.ts";

/*
 * What replicas ask of each other to find out whether they are the same:
 *   GET /internal/replica/digests                                  DigestMarks
 *   GET /internal/replica/digests/sums?incarnation=&revision=      DigestSums
 *   GET /internal/replica/buckets/N                                BucketListing
 */
const Hex = (digits: number) => Type.String({ pattern: `^[0-9a-f]{${digits}}$` });

/** The newest positions, newest first, and what stands for all records at each of them. */
export const DigestMarks = Type.Object(
  {
    marks: Type.Array(Type.Object({ position: Position, digest: Hex(32) }, extensible), {
      maxItems: 256,
    }),
  },
  extensible,
);
export type DigestMark = Static<typeof DigestMarks>["marks"][number];

/** Of each bucket of keys, in order; null when that position is forgotten. */
export const DigestSums = Type.Object(
  { sums: Type.Union([Type.Array(Hex(32), { maxItems: 256 }), Type.Null()]) },
  extensible,
);

/** As the bucket is now, which may be after the position that was compared. */
export const BucketListing = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        { key: Type.String(), modRevision: Type.Integer({ minimum: 0 }), hash: Hex(32) },
        extensible,
      ),
    ),
  },
  extensible,
);
export type BucketEntry = Static<typeof BucketListing>["entries"][number];
