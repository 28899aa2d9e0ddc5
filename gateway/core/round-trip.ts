/** How long a round trip to an agent takes. */
export interface RoundTrip {
  readonly add: (tookMs: number) => void;
  /** Whether the shortest of the last few was, when neither side was busy; true as long as nothing is known. */
  readonly isWithin: (limitMs: number) => boolean;
  /** Of the last second; undefined as long as nothing is known. */
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
  return {
    add: (tookMs) => {
      newest.push(tookMs);
      if (newest.length > KEPT) newest.shift();
    },
    isWithin: (limitMs) => newest.length === 0 || Math.min(...newest) <= limitMs,
    shortestMs: () => (newest.length < TYPICAL_OF ? undefined : Math.min(...newest)),
    typicalMs: () => {
      const sorted = newest.slice(-TYPICAL_OF).toSorted((one, other) => one - other);
      return sorted[Math.floor((sorted.length - 1) / 2)];
    },
  };
}
