export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

const MS_PER_MINUTE = 60_000;

export interface Rise {
  /** The least-squares line through the lowest values. */
  readonly perMinute: number;
  /** What it is with 97.5 % certainty: less by two standard errors, so that values which go up and down prove nothing. */
  readonly perMinuteAtLeast: number;
}

const STANDARD_ERRORS = 2;

/** How fast the lowest value of each window rises. What is collected later lies above the minimum; what leaks raises it. */
export function riseOf(samples: readonly Sample[], windowMs: number): Rise {
  const lowest = new Map<number, Sample>();
  for (const sample of samples) {
    const window = Math.floor(sample.atMs / windowMs);
    const before = lowest.get(window);
    if (before === undefined || sample.value < before.value) lowest.set(window, sample);
  }
  const points = [...lowest.values()];
  const sum = (of: (point: Sample) => number): number =>
    points.reduce((total, point) => total + of(point), 0);
  const meanAtMs = sum(({ atMs }) => atMs) / points.length;
  const meanValue = sum(({ value }) => value) / points.length;
  const spread = sum(({ atMs }) => (atMs - meanAtMs) ** 2);
  // Through two points there is a line without any error.
  if (points.length < 3 || spread === 0) return { perMinute: 0, perMinuteAtLeast: 0 };
  const perMs = sum(({ atMs, value }) => (atMs - meanAtMs) * (value - meanValue)) / spread;
  const offLine = sum(({ atMs, value }) => (value - meanValue - perMs * (atMs - meanAtMs)) ** 2);
  const errorPerMs = Math.sqrt(offLine / (points.length - 2) / spread);
  return {
    perMinute: perMs * MS_PER_MINUTE,
    perMinuteAtLeast: (perMs - STANDARD_ERRORS * errorPerMs) * MS_PER_MINUTE,
  };
}
