/** What a scenario found, where it is more than one list of variants. */
export interface BenchReport {
  readonly tables: readonly BenchTable[];
  /** How it was measured and what it was measured without, a sentence each. */
  readonly notes: readonly string[];
  /** The same for machines. */
  readonly result: object;
}

export interface BenchTable {
  readonly title: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Columns as wide as their widest cell. */
export function aligned(heads: readonly string[], cells: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  return [heads, ...cells]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
