/** One reading of one variant: a few seconds of load. */
export interface Reading {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number | null;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly errors: number;
}

/** A line of the result: medians over the rounds. */
export interface BenchRow extends Reading {
  readonly variant: string;
  /** Whose CPU time stands in `cpuMicrosPerRequest`. */
  readonly cpuOf: string;
  /** (the other's CPU per request) / (this one's): above 1 is cheaper than the other. */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface VariantReadings {
  readonly variant: string;
  readonly cpuOf: string;
  readonly readings: readonly Reading[];
}

/** Medians of interleaved rounds, and their ratios; only variants whose CPU is that of a proxy are compared. */
export function toRows(
  variants: readonly VariantReadings[],
  compared: ReadonlySet<string>,
): BenchRow[] {
  const rows = variants.map(({ variant, cpuOf, readings }) => ({
    variant,
    cpuOf,
    requestsPerSecond: Math.round(medianOf(readings, (reading) => reading.requestsPerSecond) ?? 0),
    cpuMicrosPerRequest: rounded(medianOf(readings, (reading) => reading.cpuMicrosPerRequest)),
    p50Micros: Math.round(medianOf(readings, (reading) => reading.p50Micros) ?? 0),
    p99Micros: Math.round(medianOf(readings, (reading) => reading.p99Micros) ?? 0),
    errors: readings.reduce((sum, reading) => sum + reading.errors, 0),
  }));
  return rows.map((row) => {
    const ratios: Record<string, number> = {};
    for (const other of rows) {
      if (other === row || !compared.has(row.variant) || !compared.has(other.variant)) continue;
      if (row.cpuMicrosPerRequest === null || other.cpuMicrosPerRequest === null) continue;
      ratios[other.variant] =
        rounded(other.cpuMicrosPerRequest / row.cpuMicrosPerRequest, 100) ?? 0;
    }
    return { ...row, ratios };
  });
}

function medianOf(
  readings: readonly Reading[],
  figure: (reading: Reading) => number | null,
): number | null {
  const sorted = readings
    .map(figure)
    .filter((value) => value !== null)
    .toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return null;
  if (Number.isInteger(middle)) return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return sorted[Math.floor(middle)] ?? null;
}

function rounded(value: number | null, parts = 10): number | null {
  return value === null ? null : Math.round(value * parts) / parts;
}
