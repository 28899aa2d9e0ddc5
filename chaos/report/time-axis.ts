import type { DrillReport } from "#lib/contracts/drill.ts";
import { markup, type Markup } from "./markup.ts";

/** Drawing area of every chart of the page, so that the same moment is at the same place in each. */
export const CHART = { width: 960, left: 58, right: 948 } as const;

export interface TimeAxis {
  /** Length of the axis; the last second of a run is seldom a whole one. */
  readonly seconds: number;
  /** Horizontal place of a time since the load began. */
  readonly place: (atMs: number) => number;
}

export function timeAxis({ timeline, phases }: DrillReport): TimeAxis {
  const lastSecond = (timeline.at(-1)?.second ?? 0) + 1;
  const endMs = phases.at(-1)?.untilMs ?? 0;
  const seconds = Math.max(1, endMs > 0 ? endMs / 1_000 : lastSecond);
  const secondWidth = (CHART.right - CHART.left) / seconds;
  return { seconds, place: (atMs) => CHART.left + (atMs / 1_000) * secondWidth };
}

/** The time in which the zone was dead, shaded from top to bottom. */
export function faultShade(
  { phases }: DrillReport,
  axis: TimeAxis,
  top: number,
  bottom: number,
): Markup[] {
  return phases
    .filter(({ name }) => name === "fault")
    .map(({ fromMs, untilMs }) => {
      const from = axis.place(fromMs);
      const width = Math.max(1, axis.place(untilMs) - from);
      return markup`<rect class="fault" x="${round(from)}" y="${top}" width="${round(width)}" height="${bottom - top}"/>`;
    });
}

/** Where the fault began and ended, over whatever hides the shade. */
export function faultEdges(
  { phases }: DrillReport,
  axis: TimeAxis,
  top: number,
  bottom: number,
): Markup[] {
  return phases
    .filter(({ name }) => name === "fault")
    .flatMap(({ fromMs, untilMs }) => [fromMs, untilMs])
    .map((atMs) => {
      const x = round(axis.place(atMs));
      return markup`<line class="edge" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"/>`;
    });
}

/** The names of the phases over the chart, each at its beginning. */
export function phaseLabels({ phases }: DrillReport, axis: TimeAxis, y: number): Markup[] {
  return phases.map(
    ({ name, fromMs }) =>
      markup`<text class="phase" x="${round(axis.place(fromMs) + 4)}" y="${y}">${name}</text>`,
  );
}

const TICK_STEPS_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600];
const TICKS_MAX = 12;

/** Seconds under the chart, at round numbers. */
export function timeTicks(axis: TimeAxis, top: number, bottom: number): Markup[] {
  const step = TICK_STEPS_SECONDS.find((seconds) => axis.seconds / seconds <= TICKS_MAX) ?? 7_200;
  return Array.from({ length: Math.floor(axis.seconds / step) + 1 }, (_, index) => {
    const second = index * step;
    const x = round(axis.place(second * 1_000));
    return markup`<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"/><text class="tick" text-anchor="middle" x="${x}" y="${bottom + 16}">${second} s</text>`;
  });
}

/** Two decimals are enough for a place on a page, and keep the file small. */
export const round = (value: number): number => Math.round(value * 100) / 100;
