/** One reading of one figure, as a scenario's process prints it. */
export interface FigureReading {
  readonly figure: string;
  readonly unit: string;
  readonly value: number;
  /** The same work done by the plainest means there are, in the same unit. */
  readonly peer?: number;
}

/** A line of the result: medians over the rounds. */
export interface FigureRow {
  readonly figure: string;
  readonly unit: string;
  readonly value: number;
  readonly peer: number | null;
  /** Value divided by peer. */
  readonly ratio: number | null;
}

export interface FigureResult {
  readonly figures: readonly FigureRow[];
  /** What the peers are. */
  readonly peerIs: string;
}

/** Medians, in the order in which the figures were first read. */
export function toFigures(readings: readonly FigureReading[]): FigureRow[] {
  const names = [...new Set(readings.map(({ figure }) => figure))];
  return names.map((figure) => {
    const own = readings.filter((reading) => reading.figure === figure);
    const value = medianOf(own.map((reading) => reading.value));
    const peers = own.flatMap(({ peer }) => (peer === undefined ? [] : [peer]));
    const peer = peers.length === 0 ? null : medianOf(peers);
    return {
      figure,
      unit: own[0]?.unit ?? "",
      value: rounded(value),
      peer: peer === null ? null : rounded(peer),
      ratio: peer === null ? null : Math.round((value / peer) * 100) / 100,
    };
  });
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

const rounded = (value: number): number =>
  value >= 100 ? Math.round(value) : Math.round(value * 10) / 10;

export function figureCells({ figure, unit, value, peer, ratio }: FigureRow): string[] {
  return [
    figure,
    String(value),
    unit,
    peer === null ? "" : String(peer),
    ratio === null ? "" : `${ratio} ×`,
  ];
}
export const FIGURE_HEADS = ["figure", "median", "unit", "peer", "ratio"] as const;
