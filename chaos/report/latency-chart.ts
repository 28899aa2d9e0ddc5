import type { DrillReport } from "#lib/contracts/drill.ts";
import { markup, type Markup } from "./markup.ts";
import { CHART, faultShade, round, type TimeAxis, timeTicks } from "./time-axis.ts";

const TOP = 10;
const BOTTOM = 124;
const HEIGHT = 150;
const LOWEST_MS = 1;

/** Median and 99th percentile of the good answers, second by second, on a logarithmic scale. */
export function latencyChart(report: DrillReport, axis: TimeAxis): Markup {
  const slowest = Math.max(10, ...report.timeline.map(({ p99Ms }) => p99Ms ?? 0));
  const decades = Math.ceil(Math.log10(slowest / LOWEST_MS));
  const place = (latencyMs: number) =>
    BOTTOM - (Math.log10(Math.max(LOWEST_MS, latencyMs) / LOWEST_MS) / decades) * (BOTTOM - TOP);
  const line = (kind: "p50" | "p99", pick: (second: Second) => number | null) => {
    const points = report.timeline.flatMap((second) => {
      const latencyMs = pick(second);
      if (latencyMs === null) return [];
      return [
        `${round(axis.place(Math.min(second.second + 0.5, axis.seconds) * 1_000))},${round(place(latencyMs))}`,
      ];
    });
    return markup`<polyline class="${kind}" points="${points.join(" ")}"/>`;
  };
  const marks = Array.from({ length: decades + 1 }, (_, decade) => {
    const latencyMs = LOWEST_MS * 10 ** decade;
    const y = round(place(latencyMs));
    return markup`<line class="grid" x1="${CHART.left}" x2="${CHART.right}" y1="${y}" y2="${y}"/><text class="tick" text-anchor="end" x="${CHART.left - 6}" y="${y + 4}">${latencyMs < 1_000 ? `${latencyMs} ms` : `${latencyMs / 1_000} s`}</text>`;
  });
  return markup`<div class="chart">
    <svg viewBox="0 0 ${CHART.width} ${HEIGHT}" role="img" aria-label="Latency of good answers, second by second">
      ${faultShade(report, axis, TOP, BOTTOM)} ${timeTicks(axis, TOP, BOTTOM)} ${marks}
      ${line("p99", ({ p99Ms }) => p99Ms)} ${line("p50", ({ p50Ms }) => p50Ms)}
    </svg>
  </div>`;
}

type Second = DrillReport["timeline"][number];
