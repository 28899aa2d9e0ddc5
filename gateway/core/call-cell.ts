import { CALL_OUTCOMES, type CallOutcome } from "./judge-outcome.ts";

/** Rate, errors and durations of some calls. Counting is two additions, so that each call can afford it. */
export interface CallCell {
  /** By the index in `CALL_OUTCOMES`. */
  readonly outcomes: number[];
  /** Upper ends of the classes of durations; a last class is open. */
  readonly boundsMs: readonly number[];
  /** By the class of duration, each call in one class alone. */
  readonly durations: number[];
  totalMs: number;
}

/** As `createBoundedCells` wants them. */
export const callCells = (boundsMs: readonly number[]) => ({
  create: (): CallCell => ({
    outcomes: CALL_OUTCOMES.map(() => 0),
    boundsMs,
    durations: Array.from({ length: boundsMs.length + 1 }, () => 0),
    totalMs: 0,
  }),
  fold: (into: CallCell, from: CallCell): void => {
    addAll(into.outcomes, from.outcomes);
    addAll(into.durations, from.durations);
    into.totalMs += from.totalMs;
  },
});

export function countCall(cell: CallCell, outcome: CallOutcome, durationMs: number): void {
  addOne(cell.outcomes, CALL_OUTCOMES.indexOf(outcome));
  let index = 0;
  while (durationMs > (cell.boundsMs[index] ?? Number.POSITIVE_INFINITY)) index += 1;
  addOne(cell.durations, index);
  cell.totalMs += durationMs;
}

const addOne = (counts: number[], index: number): void => {
  counts[index] = (counts[index] ?? 0) + 1;
};

function addAll(into: number[], from: readonly number[]): void {
  for (const [index, count] of from.entries()) into[index] = (into[index] ?? 0) + count;
}
