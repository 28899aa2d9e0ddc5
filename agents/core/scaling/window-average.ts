/**
 * What was recorded in the last seconds, summed by buckets, and its average: Knative's `TimedFloat64Buckets`
 * (knative.dev/serving, pkg/autoscaler/aggregation), which averages over the part of the window that was written.
 */
export interface RecordWindow {
  /** A ring: the bucket of a time is its number modulo the length. */
  readonly buckets: readonly number[];
  readonly bucketMs: number;
  readonly windowMs: number;
  readonly firstWriteMs: number;
  readonly lastWriteMs: number;
  /** Kept along instead of summed anew, so that it rounds as the original does. */
  readonly total: number;
}

export const recordWindow = (windowMs: number, bucketMs = 1_000): RecordWindow => ({
  buckets: Array.from({ length: Math.ceil(windowMs / bucketMs) }, () => 0),
  bucketMs,
  windowMs,
  firstWriteMs: Number.NEGATIVE_INFINITY,
  lastWriteMs: Number.NEGATIVE_INFINITY,
  total: 0,
});

/** Adds to the bucket of the time. What is older than the window is ignored, and a window without a record begins anew. */
export function recordValue(window: RecordWindow, value: number, nowMs: number): RecordWindow {
  const { bucketMs, windowMs, lastWriteMs } = window;
  const atMs = truncate(nowMs, bucketMs);
  if (atMs !== lastWriteMs && atMs + windowMs <= lastWriteMs) return window;
  const ready = atMs > lastWriteMs ? advance(window, atMs) : window;
  const index = bucketOf(ready, atMs);
  const buckets = ready.buckets.with(index, (ready.buckets[index] ?? 0) + value);
  const firstWriteMs = Math.min(ready.firstWriteMs, atMs);
  return { ...ready, buckets, firstWriteMs, total: ready.total + value };
}

/** 0 after a window without a record; seconds at the end that nobody has written yet do not count. */
export function windowAverage(window: RecordWindow, nowMs: number): number {
  const { buckets, bucketMs, windowMs, firstWriteMs, lastWriteMs, total } = window;
  const silentMs = truncate(nowMs, bucketMs) - lastWriteMs;
  if (silentMs > 0 && silentMs >= windowMs) return 0;
  const silent = Math.max(0, silentMs / bucketMs);
  let sum = total;
  for (let ahead = 1; ahead <= silent; ahead += 1)
    sum -= buckets[bucketOf(window, lastWriteMs + ahead * bucketMs)] ?? 0;
  const written = (lastWriteMs - firstWriteMs) / bucketMs + 1;
  return roundToMillionths(sum / Math.min(written, buckets.length - silent));
}

/** Nothing was recorded for longer than the window. */
export const isEmpty = (
  { bucketMs, windowMs, lastWriteMs }: RecordWindow,
  nowMs: number,
): boolean => truncate(nowMs, bucketMs) - lastWriteMs > windowMs;

/** Makes the bucket of a later time the last one, and empties those between. */
function advance(window: RecordWindow, atMs: number): RecordWindow {
  const { bucketMs, windowMs, lastWriteMs } = window;
  if (atMs - lastWriteMs >= windowMs)
    return { ...recordWindow(windowMs, bucketMs), firstWriteMs: atMs, lastWriteMs: atMs };
  const buckets = [...window.buckets];
  let { total } = window;
  for (let bucketAtMs = lastWriteMs + bucketMs; bucketAtMs <= atMs; bucketAtMs += bucketMs) {
    const index = bucketOf(window, bucketAtMs);
    total -= buckets[index] ?? 0;
    buckets[index] = 0;
  }
  return { ...window, buckets, total, lastWriteMs: atMs };
}

const truncate = (timeMs: number, bucketMs: number): number =>
  Math.floor(timeMs / bucketMs) * bucketMs;

function bucketOf({ buckets, bucketMs }: RecordWindow, atMs: number): number {
  const index = Math.floor(atMs / bucketMs) % buckets.length;
  return index < 0 ? index + buckets.length : index;
}

/** Sums of floating-point numbers must not ask for one more instance by their last digit. */
const roundToMillionths = (value: number): number => Math.round(value * 1e6) / 1e6;
