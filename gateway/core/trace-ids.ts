import type { TraceIds } from "./trace-context.ts";

const ZEROS = /^0+$/;

/**
 * Ids cut from blocks of random hexadecimal digits, so that asking the system for chance costs nothing per call. `freshDigits` gives
 * at least 32 lower-case digits each time.
 */
export function createTraceIds(freshDigits: () => string): TraceIds {
  let digits = "";
  let at = 0;
  const take = (count: number): string => {
    if (at + count > digits.length) {
      digits = freshDigits();
      at = 0;
    }
    at += count;
    return digits.slice(at - count, at);
  };
  /** All zeros is no id; it is as good as never drawn. */
  const id = (count: number): string => {
    let drawn = take(count);
    while (ZEROS.test(drawn)) drawn = take(count);
    return drawn;
  };
  return { traceId: () => id(32), spanId: () => id(16) };
}
