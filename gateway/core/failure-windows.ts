/** Of each slot the calls of the last ten seconds and the failures in a row, in arrays: 26 bytes a slot. */
export interface FailureWindows {
  /** Whether there are now too many failures. */
  readonly count: (slot: number, isFailed: boolean, nowMs: number) => boolean;
  readonly clear: (slot: number) => void;
}

/** Envoy's outlier detection opens at five in a row; the share is opossum's, as for whole clusters. */
const FAILURES_IN_A_ROW = 5;
const CALLS_MIN = 20;
const FAILED_SHARE = 0.5;
/** The window slides in steps. */
const BUCKETS = 5;
const BUCKET_MS = 2_000;
const COUNT_MAX = 65_535;

export function createFailureWindows(slots: number): FailureWindows {
  const sound = new Uint16Array(slots * BUCKETS);
  const failed = new Uint16Array(slots * BUCKETS);
  const failedInARow = new Uint8Array(slots);
  const newestBucket = new Int32Array(slots);

  /** Empties the buckets that have passed since the slot's last call; gives the place of the newest. */
  const slideTo = (slot: number, nowMs: number): number => {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    const passed = Math.min(BUCKETS, bucket - (newestBucket[slot] ?? 0));
    for (let step = 0; step < passed; step += 1) {
      sound[placeOf(slot, bucket - step)] = 0;
      failed[placeOf(slot, bucket - step)] = 0;
    }
    newestBucket[slot] = bucket;
    return placeOf(slot, bucket);
  };
  const isBroken = (slot: number): boolean => {
    if ((failedInARow[slot] ?? 0) >= FAILURES_IN_A_ROW) return true;
    const failures = totalOf(failed, slot);
    const calls = failures + totalOf(sound, slot);
    return calls >= CALLS_MIN && failures > calls * FAILED_SHARE;
  };
  return {
    count: (slot, isFailed, nowMs) => {
      const place = slideTo(slot, nowMs);
      const calls = isFailed ? failed : sound;
      calls[place] = Math.min(COUNT_MAX, (calls[place] ?? 0) + 1);
      const inARow = (failedInARow[slot] ?? 0) + 1;
      failedInARow[slot] = isFailed ? Math.min(FAILURES_IN_A_ROW, inARow) : 0;
      return isFailed && isBroken(slot);
    },
    clear: (slot) => {
      failedInARow[slot] = 0;
      sound.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS);
      failed.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS);
    },
  };
}

const placeOf = (slot: number, bucket: number): number =>
  slot * BUCKETS + (((bucket % BUCKETS) + BUCKETS) % BUCKETS);

function totalOf(calls: Uint16Array, slot: number): number {
  let total = 0;
  for (let place = slot * BUCKETS; place < (slot + 1) * BUCKETS; place += 1)
    total += calls[place] ?? 0;
  return total;
}
