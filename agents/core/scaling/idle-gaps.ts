/**
 * How long a function has been left alone between its calls: the histogram of the hybrid policy of "Serverless in the Wild" (Shahrad
 * et al., USENIX ATC 2020), in bins of 10 s over four hours.
 */
export interface IdleGaps {
  /** Gaps by bin; bins without one are absent. */
  readonly bins: ReadonlyMap<number, number>;
  readonly count: number;
  /** Of them, those longer than the histogram is. */
  readonly beyond: number;
}

export const noIdleGaps: IdleGaps = { bins: new Map(), count: 0, beyond: 0 };

/** As they were once recorded. */
export function idleGapsOf(bins: ReadonlyMap<number, number>, beyond: number): IdleGaps {
  const within = bins.values().reduce((sum, gaps) => sum + gaps, 0);
  return { bins, beyond, count: within + beyond };
}

const BIN_MS = 10_000;
const RANGE_MS = 4 * 3_600_000;
export const BINS = RANGE_MS / BIN_MS;
/** Fewer gaps say nothing of the next one. */
const GAPS_MIN = 8;
/** From here on the past counts half, so that a new rhythm is found within as many gaps. */
export const GAPS_MAX = 256;
/** The paper's cut-offs: the 5th percentile, before which a call is early, and the 99th, after which it is late. */
const HEAD = 0.05;
const TAIL = 0.99;
/** The paper's margin at either end; past the limit one bin more guards as well. */
const MARGIN = 0.1;
const MARGIN_MAX_MS = 10_000;

export function recordGap(gaps: IdleGaps, gapMs: number): IdleGaps {
  const known = gaps.count >= GAPS_MAX ? halve(gaps) : gaps;
  const count = known.count + 1;
  if (gapMs >= RANGE_MS) return { ...known, count, beyond: known.beyond + 1 };
  const bins = new Map(known.bins);
  const bin = Math.floor(gapMs / BIN_MS);
  bins.set(bin, (bins.get(bin) ?? 0) + 1);
  return { ...known, bins, count };
}

/** When the next call is likely, counted from the end of the last one; undefined where the gaps tell too little. */
export interface LikelyReturn {
  readonly fromMs: number;
  readonly untilMs: number;
}

export function likelyReturn(gaps: IdleGaps): LikelyReturn | undefined {
  if (gaps.count < GAPS_MIN) return undefined;
  const head = percentile(gaps, HEAD);
  const tail = percentile(gaps, TAIL);
  if (head === undefined || tail === undefined) return undefined;
  const headMs = head * BIN_MS;
  const tailMs = (tail + 1) * BIN_MS;
  return {
    fromMs: headMs - Math.min(headMs * MARGIN, MARGIN_MAX_MS),
    untilMs: tailMs + Math.min(tailMs * MARGIN, MARGIN_MAX_MS),
  };
}

/** Which part of the gaps was over within the time; undefined where they are too few to tell. */
export function partWithin({ bins, count }: IdleGaps, withinMs: number): number | undefined {
  if (count < GAPS_MIN) return undefined;
  let within = 0;
  for (const [bin, gaps] of bins) if ((bin + 1) * BIN_MS <= withinMs) within += gaps;
  return within / count;
}

/** The bin at or below which this part of all gaps lies; undefined beyond the range. */
function percentile({ bins, count }: IdleGaps, part: number): number | undefined {
  let left = Math.ceil(count * part);
  for (const [bin, gaps] of [...bins].toSorted(([one], [other]) => one - other)) {
    left -= gaps;
    if (left <= 0) return bin;
  }
  return undefined;
}

function halve({ bins, beyond }: IdleGaps): IdleGaps {
  const halved = new Map<number, number>();
  for (const [bin, gaps] of bins) if (gaps > 1) halved.set(bin, Math.floor(gaps / 2));
  return idleGapsOf(halved, Math.floor(beyond / 2));
}
