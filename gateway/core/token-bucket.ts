/** A token bucket, which admits exactly what GCRA admits and can change its rate without giving away a burst. */
export interface TokenBucket {
  readonly tokens: number;
  readonly atMs: number;
}

export interface BucketRate {
  readonly ratePerSecond: number;
  readonly burst: number;
}

/** Buckets start empty: whoever restarts often, or is given a larger share, gains no burst by it. */
export const emptyBucket = (nowMs: number): TokenBucket => ({ tokens: 0, atMs: nowMs });

/** The bucket at a later time; a bucket that holds more than `burst`, since that was lowered, is cut down to it. */
export function refill(bucket: TokenBucket, rate: BucketRate, nowMs: number): TokenBucket {
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  const tokens = bucket.tokens + (elapsedMs * rate.ratePerSecond) / 1_000;
  return { tokens: Math.min(capacity(rate), tokens), atMs: Math.max(nowMs, bucket.atMs) };
}

/** Time until one token is there; infinite at rate 0. */
export function untilTokenMs(bucket: TokenBucket, rate: BucketRate): number {
  if (bucket.tokens >= 1) return 0;
  return rate.ratePerSecond === 0
    ? Number.POSITIVE_INFINITY
    : ((1 - bucket.tokens) * 1_000) / rate.ratePerSecond;
}

/** A share of less than one token could never be spent, so a bucket holds at least one. */
const capacity = ({ burst }: BucketRate): number => Math.max(1, burst);
