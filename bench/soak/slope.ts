export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

const MS_PER_MINUTE = 60_000;

/**
 * How fast the lowest values rise, per minute: the least-squares line through the minimum of each window. What is collected later
 * lies above the minimum; what leaks raises it.
 */
export function risePerMinute(samples: readonly Sample[], windowMs: number): number {
  const lowest = new Map<number, Sample>();
  for (const sample of samples) {
    const window = Math.floor(sample.atMs / windowMs);
    const before = lowest.get(window);
    if (before === undefined || sample.value < before.value) lowest.set(window, sample);
  }
  const points = [...lowest.values()];
  const mean = (of: (sample: Sample) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const meanAtMs = mean(({ atMs }) => atMs);
  const meanValue = mean(({ value }) => value);
  const spread = points.reduce((sum, { atMs }) => sum + (atMs - meanAtMs) ** 2, 0);
  if (spread === 0) return 0;
  const together = points.reduce(
    (sum, { atMs, value }) => sum + (atMs - meanAtMs) * (value - meanValue),
    0,
  );
  return (together / spread) * MS_PER_MINUTE;
}
