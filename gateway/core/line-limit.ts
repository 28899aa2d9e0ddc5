/**
 * Keeps what is told of single calls from becoming the load: so many lines a second, and a count of what was left out. Gives that count,
 * for the line that may be written now; undefined: none may.
 */
export type LineLimit = (nowMs: number) => number | undefined;

export function createLineLimit(linesPerSecond: number): LineLimit {
  let second = Number.NEGATIVE_INFINITY;
  let written = 0;
  let leftOut = 0;
  return (nowMs) => {
    const now = Math.floor(nowMs / 1_000);
    if (now > second) {
      second = now;
      written = 0;
    }
    if (written >= linesPerSecond) {
      leftOut += 1;
      return undefined;
    }
    written += 1;
    const before = leftOut;
    leftOut = 0;
    return before;
  };
}
