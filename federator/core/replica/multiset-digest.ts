/*
 * A digest of a set of records that one record changes in constant time: the sum, in two lanes modulo 2^64, of the hashes of
 * all records of a bucket (AdHash: Bellare and Micciancio, "A new paradigm for collision-free hashing", 1997). Equal sets have
 * equal sums in whatever order they came about.
 */
export const BUCKETS = 256;
const LANES = 2;

/** 128 bits that stand for one record. */
export type RecordHash = readonly [bigint, bigint];
export type BucketSums = BigUint64Array;

export const emptySums = (): BucketSums => new BigUint64Array(BUCKETS * LANES);

/** Which bucket a key belongs to, everywhere and for ever: FNV-1a of its characters. */
export function bucketOf(key: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let index = 0; index < key.length; index += 1)
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01_00_01_93);
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (BUCKETS - 1);
}

export function addHash(sums: BucketSums, bucket: number, [low, high]: RecordHash): void {
  const lane = bucket * LANES;
  // The array keeps the lowest 64 bits, which is the modulus.
  sums[lane] = (sums[lane] ?? 0n) + low;
  sums[lane + 1] = (sums[lane + 1] ?? 0n) + high;
}

export function subtractHash(sums: BucketSums, bucket: number, [low, high]: RecordHash): void {
  const lane = bucket * LANES;
  sums[lane] = (sums[lane] ?? 0n) - low;
  sums[lane + 1] = (sums[lane + 1] ?? 0n) - high;
}

export function differingBuckets(one: BucketSums, other: BucketSums): readonly number[] {
  const differing: number[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    const lane = bucket * LANES;
    if (one[lane] !== other[lane] || one[lane + 1] !== other[lane + 1]) differing.push(bucket);
  }
  return differing;
}
