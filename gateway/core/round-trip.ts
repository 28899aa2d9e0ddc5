/** How long a round trip to an agent takes when neither side is busy. */
export interface RoundTrip {
  readonly add: (tookMs: number) => void;
  /** Whether the shortest of the last few was; true as long as nothing is known. */
  readonly isWithin: (limitMs: number) => boolean;
}

/** Five seconds of pings: the shortest of them met no queue. */
const KEPT = 20;

export function createRoundTrip(): RoundTrip {
  const newest: number[] = [];
  return {
    add: (tookMs) => {
      newest.push(tookMs);
      if (newest.length > KEPT) newest.shift();
    },
    isWithin: (limitMs) => newest.length === 0 || Math.min(...newest) <= limitMs,
  };
}
