import type { DrillReport } from "#lib/contracts/drill.ts";
import { formatCount, formatDuration } from "./format.ts";
import { countIdempotent } from "./promised-calls.ts";

/** What the terminal says last: the verdict and the figures behind it, then why it is no better. */
export function summaryLine(report: DrillReport): string {
  const lines = [`${report.verdict}  ${figures(report)}`];
  for (const reason of report.reasons) lines.push(`  ${reason}`);
  for (const left of report.leftBehind) lines.push(`  left behind: ${left}`);
  return lines.join("\n");
}

function figures(report: DrillReport): string {
  const { timings, findings } = report;
  if (findings.length === 0) return "nothing was measured";
  const { promised, connectionLost } = countIdempotent(report);
  const measured = (bound: string) => findings.find((one) => one.bound === bound)?.measured ?? 0;
  const kept = [
    timings.detectedAfterMs === null
      ? "never detected"
      : `detected after ${formatSeconds(timings.detectedAfterMs)}`,
    `shifted after ${formatSeconds(timings.shiftedAfterMs ?? 0)}`,
    `${formatCount(measured("idempotentLostMax"))} of ${formatCount(promised)} idempotent calls lost`,
    `${formatCount(measured("duplicatedMax"))} duplicated`,
  ].join(", ");
  return connectionLost === 0
    ? kept
    : `${kept}; ${formatCount(connectionLost)} idempotent calls went down with the killed gateway`;
}

const formatSeconds = (durationMs: number): string =>
  durationMs < 100 ? formatDuration(durationMs) : `${(durationMs / 1_000).toFixed(1)} s`;
