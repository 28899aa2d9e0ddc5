/** One line on standard output. */
export const printLine = (text: string): void => void process.stdout.write(`${text}\n`);

/** The one document of `--json`. */
export const printDocument = (document: unknown): void =>
  printLine(JSON.stringify(document, undefined, 2));

/** Columns as wide as their widest cell; the last one runs free. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `1.2 s`, `3 min`, `2 h`, `5 d`: enough to judge an age by. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(ageMs, 0) / 1_000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export const formatTime = (wallMs: number): string => new Date(wallMs).toISOString();
