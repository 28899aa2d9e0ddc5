import type { Random } from "#lib/ports/random.ts";
import type { Trace, TracedCall, TracedFunction } from "./trace.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * A synthetic day: what is told of public traces (most functions are rare or on a timer, a few make most of the calls, in bursts and
 * with the time of day), not a copy of one. Every report that uses it says so.
 */
export function generateTrace(random: Random, hours: number): Trace {
  const endMs = hours * HOUR_MS;
  const functions = [
    ...many(15, (index) => timer(random, endMs, [1, 5, 10, 15, 30][index % 5] ?? 1, index)),
    ...many(20, (index) => rare(random, endMs, 3 + 3 * index, index)),
    ...many(15, (index) => bursty(random, endMs, 5 * (index + 1), index)),
    ...many(10, (index) => diurnal(random, endMs, 0.1 * 1.6 ** index, index)),
  ];
  return { name: `synthetic, ${hours} h`, endMs, functions };
}

const many = (count: number, make: (index: number) => TracedFunction): TracedFunction[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Every so many minutes, a second early or late. */
function timer(random: Random, endMs: number, minutes: number, index: number): TracedFunction {
  const runMs = durations(random);
  const calls: TracedCall[] = [];
  for (let atMs = random.next() * minutes * MINUTE_MS; atMs < endMs; atMs += minutes * MINUTE_MS)
    calls.push({ atMs: Math.max(0, atMs + (random.next() - 0.5) * 2_000), runMs: runMs() });
  return { name: `timer-${minutes}m-${index}`, calls };
}

function rare(random: Random, endMs: number, meanMinutes: number, index: number): TracedFunction {
  const runMs = durations(random);
  return {
    name: `rare-${index}`,
    calls: arrivals(random, endMs, () => 1 / (meanMinutes * MINUTE_MS)).map((atMs) => ({
      atMs,
      runMs: runMs(),
    })),
  };
}

/** Quiet for minutes, then so many calls at about the same time, and some after them. */
function bursty(random: Random, endMs: number, size: number, index: number): TracedFunction {
  const runMs = durations(random);
  const calls: TracedCall[] = [];
  let atMs = 0;
  for (;;) {
    atMs += exponential(random, 8 * MINUTE_MS);
    if (atMs >= endMs) break;
    const count = Math.ceil(size * (0.5 + random.next()));
    const spreadMs = 200 + random.next() * 20_000;
    for (let call = 0; call < count; call += 1)
      calls.push({ atMs: atMs + random.next() * spreadMs, runMs: runMs() });
  }
  return { name: `bursty-${size}-${index}`, calls: sorted(calls, endMs) };
}

/** Up and down once a day, with the given calls a second on average. */
function diurnal(random: Random, endMs: number, perSecond: number, index: number): TracedFunction {
  const runMs = durations(random);
  const phase = random.next() * 2 * Math.PI;
  const rate = (atMs: number): number =>
    (perSecond / 1_000) * (1 + 0.9 * Math.sin((2 * Math.PI * atMs) / (24 * HOUR_MS) + phase));
  return {
    name: `diurnal-${index}`,
    calls: arrivals(random, endMs, rate, (perSecond / 1_000) * 1.9).map((atMs) => ({
      atMs,
      runMs: runMs(),
    })),
  };
}

/** A Poisson process, thinned to its rate at the time. */
function arrivals(
  random: Random,
  endMs: number,
  rate: (atMs: number) => number,
  rateMax = rate(0),
): number[] {
  const times: number[] = [];
  for (let atMs = 0; ;) {
    atMs += exponential(random, 1 / rateMax);
    if (atMs >= endMs) return times;
    if (random.next() * rateMax <= rate(atMs)) times.push(atMs);
  }
}

/** Log-normal around a median of the function's own, 20 ms to 1 s. */
function durations(random: Random): () => number {
  const median = 20 * 50 ** random.next();
  return () => Math.max(1, median * Math.exp(0.6 * normal(random)));
}

const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random.next());

/** Box and Muller. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

const sorted = (calls: readonly TracedCall[], endMs: number): TracedCall[] =>
  calls.filter(({ atMs }) => atMs < endMs).toSorted((one, other) => one.atMs - other.atMs);
