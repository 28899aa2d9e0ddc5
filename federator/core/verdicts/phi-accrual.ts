/*
 * The phi accrual failure detector: not "is it dead", but how improbable the present silence is, given the rhythm of the answers
 * so far. phi = -log10 P(an answer still comes later than this), so phi 8 errs once in 10^8 silences of that rhythm.
 *
 * Hayashibara, Défago, Yared, Katayama: The phi accrual failure detector (SRDS 2004): a window of intervals and their normal
 * distribution. As in Akka, whose logistic approximation of that distribution is used here (error below 0.00014, and cheap to
 * invert): a floor of the deviation, because a steady rhythm makes any hiccup a proof, and an acceptable pause on top of the mean,
 * because a collector that stops the world is no part of the rhythm. As in Cassandra: an interval longer than that pause is an
 * outage, and does not enter the window. Our own: a ceiling of the deviation, so that a bad network cannot put off the detection
 * without bound.
 */
const WINDOW_INTERVALS = 200;

export interface RhythmLimits {
  /** What the intervals are expected to be, until some were seen. */
  readonly expectedIntervalMs: number;
  readonly deviationMinMs: number;
  readonly deviationMaxMs: number;
  readonly acceptablePauseMs: number;
}

/** The last intervals between answers, with their sums kept along. */
export interface Rhythm {
  readonly intervalsMs: readonly number[];
  readonly sumMs: number;
  readonly sumOfSquares: number;
}

export const noRhythm: Rhythm = { intervalsMs: [], sumMs: 0, sumOfSquares: 0 };

export function noteInterval(
  { intervalsMs, sumMs, sumOfSquares }: Rhythm,
  intervalMs: number,
  { acceptablePauseMs }: RhythmLimits,
): Rhythm {
  if (intervalMs > acceptablePauseMs) return { intervalsMs, sumMs, sumOfSquares };
  const oldestMs = intervalsMs.length < WINDOW_INTERVALS ? 0 : (intervalsMs[0] ?? 0);
  const kept = intervalsMs.length < WINDOW_INTERVALS ? intervalsMs : intervalsMs.slice(1);
  return {
    intervalsMs: [...kept, intervalMs],
    sumMs: sumMs + intervalMs - oldestMs,
    sumOfSquares: sumOfSquares + intervalMs ** 2 - oldestMs ** 2,
  };
}

/** How suspicious it is that the last answer came `silentMs` ago. */
export function phi(rhythm: Rhythm, silentMs: number, limits: RhythmLimits): number {
  const { patienceMs, deviationMs } = describe(rhythm, limits);
  const y = (silentMs - patienceMs) / deviationMs;
  const exponent = y * (LINEAR + CUBIC * y ** 2);
  // log10(1 + e^exponent), written so that far out it grows on instead of ending at infinity.
  return (Math.max(0, exponent) + Math.log1p(Math.exp(-Math.abs(exponent)))) / Math.LN10;
}

/** After how much silence phi is reached: the inverse, by which the moment to look again is known. */
export function silenceForPhiMs(rhythm: Rhythm, phiReached: number, limits: RhythmLimits): number {
  const { patienceMs, deviationMs } = describe(rhythm, limits);
  const exponent = Math.log(10 ** phiReached - 1);
  let y = exponent / LINEAR;
  // Newton on a function that only grows and bends one way from here: five steps are exact to a millionth.
  for (let step = 0; step < 8; step += 1)
    y -= (y * (LINEAR + CUBIC * y ** 2) - exponent) / (LINEAR + 3 * CUBIC * y ** 2);
  return patienceMs + y * deviationMs;
}

/** P(X > y) = 1 / (1 + exp(y (1.5976 + 0.070566 y²))) for a standard normal X. */
const LINEAR = 1.5976;
const CUBIC = 0.070566;

function describe(
  { intervalsMs, sumMs, sumOfSquares }: Rhythm,
  limits: RhythmLimits,
): { readonly patienceMs: number; readonly deviationMs: number } {
  const count = intervalsMs.length;
  const meanMs = count === 0 ? limits.expectedIntervalMs : sumMs / count;
  const variance = count === 0 ? 0 : Math.max(0, sumOfSquares / count - meanMs ** 2);
  const deviationMs = Math.min(
    limits.deviationMaxMs,
    Math.max(limits.deviationMinMs, Math.sqrt(variance)),
  );
  return { patienceMs: meanMs + limits.acceptablePauseMs, deviationMs };
}
