import type { DrillReport } from "#lib/contracts/drill.ts";
import { markup, type Markup } from "./markup.ts";
import {
  CHART,
  faultEdges,
  faultShade,
  phaseLabels,
  round,
  type TimeAxis,
  timeTicks,
} from "./time-axis.ts";

type Second = DrillReport["timeline"][number];

const STRIP = { top: 26, height: 14 } as const;
const BARS = { top: 52, bottom: 250 } as const;
const HEIGHT = 276;
/** Room above the highest bar. */
const HEADROOM = 1.08;

const ZONE_COLOURS = 6;

/** Class of a zone's bars and of its mark in the legend; the seventh zone has the colour of the first. */
export const zoneColour = (index: number): string => `zone-${index % ZONE_COLOURS}`;

/** What became of each second's calls: who answered, what was lost, and whether all was well. */
export function availabilityChart(
  report: DrillReport,
  zones: readonly string[],
  axis: TimeAxis,
): Markup {
  const cells = report.timeline.map((second) => placeSecond(second, axis));
  const highest = Math.max(1, ...cells.map(({ second, part }) => second.sent / part));
  const scale = (BARS.bottom - BARS.top) / (highest * HEADROOM);
  return markup`<div class="chart">
    <svg viewBox="0 0 ${CHART.width} ${HEIGHT}" role="img" aria-label="Calls a second, by the zone that answered">
      ${faultShade(report, axis, 6, BARS.bottom)} ${phaseLabels(report, axis, 18)}
      ${timeTicks(axis, BARS.top, BARS.bottom)} ${countTicks(highest, scale)}
      ${cells.map(stripCell)} ${cells.map((cell) => bar(cell, zones, scale))}
      ${faultEdges(report, axis, 6, BARS.bottom)}
    </svg>
  </div>`;
}

interface Cell {
  readonly second: Second;
  readonly x: number;
  readonly width: number;
  /** How much of the second belongs to the run: less than 1 for the last one. */
  readonly part: number;
}

function placeSecond(second: Second, axis: TimeAxis): Cell {
  const part = Math.min(1, Math.max(0.1, axis.seconds - second.second));
  const from = axis.place(second.second * 1_000);
  const until = axis.place((second.second + part) * 1_000);
  return { second, part, x: round(from + 0.5), width: round(Math.max(0.5, until - from - 1)) };
}

/** One cell a second: all calls well, some lost with their connection, or some lost. */
function stripCell({ second, x, width }: Cell): Markup {
  const state = second.failed > 0 ? "lost" : second.connectionLost > 0 ? "cut" : "well";
  return markup`<rect class="${state}" x="${x}" y="${STRIP.top}" width="${width}" height="${STRIP.height}"><title>${describe(second)}</title></rect>`;
}

function bar({ second, x, width, part }: Cell, zones: readonly string[], scale: number): Markup {
  const known = zones.map((zone, index) => ({
    kind: zoneColour(index),
    calls: second.byZone[zone] ?? 0,
  }));
  const parts = [
    ...known,
    { kind: "cut", calls: second.connectionLost },
    { kind: "lost", calls: second.failed },
  ].filter(({ calls }) => calls > 0);
  let y: number = BARS.bottom;
  const rectangles = parts.map(({ kind, calls }) => {
    // A single lost call among hundreds still has to be seen.
    const height = Math.max(kind.startsWith("zone") ? 0 : 2, (calls / part) * scale);
    y -= height;
    return markup`<rect class="${kind}" x="${x}" y="${round(y)}" width="${width}" height="${round(height)}"/>`;
  });
  return markup`<g><title>${describe(second)}</title>${rectangles}</g>`;
}

function countTicks(highest: number, scale: number): Markup[] {
  return [0, 0.5, 1].map((share) => {
    const calls = Math.round(highest * share);
    const y = round(BARS.bottom - calls * scale);
    return markup`<line class="grid" x1="${CHART.left}" x2="${CHART.right}" y1="${y}" y2="${y}"/><text class="tick" text-anchor="end" x="${CHART.left - 6}" y="${y + 4}">${calls}</text>`;
  });
}

function describe(second: Second): string {
  const byZone = Object.entries(second.byZone).map(([zone, calls]) => `${zone} ${calls}`);
  return [
    `second ${second.second}: ${second.succeeded} of ${second.sent} well`,
    ...byZone,
    `lost ${second.failed}`,
    `connection lost ${second.connectionLost}`,
    `late ${second.late}`,
  ].join(", ");
}
