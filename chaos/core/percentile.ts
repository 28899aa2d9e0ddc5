/** The nearest-rank percentile of values sorted upwards; 0 when there are none. */
export function percentile(sorted: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? 0;
}

export const sortedUpwards = (values: readonly number[]): number[] =>
  values.toSorted((left, right) => left - right);
