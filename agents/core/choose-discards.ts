export interface Discardable {
  readonly bytes: number;
  readonly holders: number;
  readonly usedAtMs: number;
}

/** Which entries of a cache make way: the longest unused first, none that is held, and no more than needed. */
export function chooseDiscards<T extends Discardable>(
  entries: readonly T[],
  bytesMax: number,
): readonly T[] {
  let excessBytes = entries.reduce((sum, { bytes }) => sum + bytes, 0) - bytesMax;
  const discards: T[] = [];
  for (const entry of entries.toSorted((one, other) => one.usedAtMs - other.usedAtMs)) {
    if (excessBytes <= 0) break;
    if (entry.holders > 0) continue;
    discards.push(entry);
    excessBytes -= entry.bytes;
  }
  return discards;
}
