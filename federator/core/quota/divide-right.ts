/** A gateway among which the zone's right is divided, and the most it may believe to hold, in millionths. */
export interface Holder {
  readonly name: string;
  readonly mayHold: number;
  /** One that left keeps what it may hold until it cannot believe in it any more, and gets nothing new. */
  readonly isConnected: boolean;
}

/**
 * What each connected holder may have now: the same for all, but nobody gets what another may still hold. Told to the holders
 * in any order and lost in any way, the parts never add up to more than the right, unless the right itself shrank.
 */
export function divideRight(
  rightMillionths: number,
  holders: readonly Holder[],
): ReadonlyMap<string, number> {
  const connected = holders.filter(({ isConnected }) => isConnected);
  const gone = holders
    .filter(({ isConnected }) => !isConnected)
    .reduce((sum, { mayHold }) => sum + mayHold, 0);
  const even = Math.floor(Math.max(0, rightMillionths - gone) / Math.max(1, connected.length));

  const parts = new Map<string, number>();
  let left = rightMillionths - holders.reduce((sum, { mayHold }) => sum + mayHold, 0);
  for (const { name, mayHold } of connected) {
    const growth = Math.max(0, Math.min(even - mayHold, left));
    left -= growth;
    parts.set(name, Math.min(even, mayHold + growth));
  }
  return parts;
}
