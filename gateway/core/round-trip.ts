/** How long a round trip to an agent takes. */
export interface RoundTrip {
  /** Of which this process was idle for so long: the rest it may have kept the answer waiting itself. */
  readonly add: (tookMs: number, idleMs?: number) => void;
  /** Whether the shortest of the last few was, when neither side was busy; true as long as nothing is known. */
  readonly isWithin: (limitMs: number) => boolean;
  /** Of the last second, without what this process was busy; undefined as long as nothing is known. */
  readonly typicalMs: () => number | undefined;
  /** Of the last few: how far it is, whoever is busy; undefined as long as too few are known. */
  readonly shortestMs: () => number | undefined;
}

/** Five seconds of pings: the shortest of them met no queue. */
const KEPT = 20;
/** One second of them; the lower middle one, so that a single slow ping says nothing. */
const TYPICAL_OF = 4;

export function createRoundTrip(): RoundTrip {
  const newest: number[] = [];
  const waits: number[] = [];
  // Worked out when a ping comes: they are asked for with every call.
  let shortestMs = 0;
  let typicalMs: number | undefined;
  return {
    add: (tookMs, idleMs = tookMs) => {
      newest.push(tookMs);
      if (newest.length > KEPT) newest.shift();
      shortestMs = Math.min(...newest);
      waits.push(Math.min(tookMs, idleMs));
      if (waits.length > TYPICAL_OF) waits.shift();
      const sorted = waits.toSorted((one, other) => one - other);
      typicalMs = sorted[Math.floor((sorted.length - 1) / 2)];
    },
    isWithin: (limitMs) => shortestMs <= limitMs,
    shortestMs: () => (newest.length < TYPICAL_OF ? undefined : shortestMs),
    typicalMs: () => typicalMs,
  };
}
