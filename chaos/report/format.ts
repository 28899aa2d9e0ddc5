/** `4,000`; the same everywhere, whatever the machine's language. */
export const formatCount = (count: number): string => count.toLocaleString("en-US");

/** `1.6 s`, `340 ms`, `never`. */
export function formatDuration(durationMs: number | null): string {
  if (durationMs === null) return "never";
  if (durationMs < 1_000) return `${formatMilliseconds(durationMs)} ms`;
  return `${(durationMs / 1_000).toFixed(1)} s`;
}

export const formatMilliseconds = (durationMs: number): string =>
  durationMs > 0 && durationMs < 10 ? durationMs.toFixed(1) : formatCount(Math.round(durationMs));
