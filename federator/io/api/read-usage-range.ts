import { USAGE_LAST_MS } from "#lib/contracts/usage.ts";
import { MeridianError } from "#lib/errors.ts";

const HOUR_MS = 3_600_000;

export interface UsageRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Whole hours, UTC: the month until now where nothing is said. A day without a time is its beginning, or for `to` its end. */
export function readUsageRange(
  from: string | undefined,
  to: string | undefined,
  wallMs: number,
): UsageRange {
  const now = new Date(wallMs);
  const monthMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
  const fromMs = from === undefined ? monthMs : readTime("from", from, 0);
  const toMs = to === undefined ? wallMs + 1 : readTime("to", to, 24 * HOUR_MS);
  const range = {
    fromMs: Math.floor(fromMs / HOUR_MS) * HOUR_MS,
    toMs: Math.min(USAGE_LAST_MS, Math.ceil(toMs / HOUR_MS) * HOUR_MS),
  };
  if (range.fromMs < range.toMs) return range;
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    "The query does not fit: /from must be earlier than /to, which is now where it is left out.",
  );
}

function readTime(name: string, text: string, dayMs: number): number {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const timeMs = Date.parse(isDay ? `${text}T00:00:00Z` : text);
  const isTime = isDay || /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z$/.test(text);
  // The 30th of February would be read as a day of March.
  const isDate = timeMs >= 0 && new Date(timeMs).toISOString().startsWith(text.slice(0, 10));
  if (isTime && isDate) return timeMs + (isDay ? dayMs : 0);
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    `The query does not fit: /${name} must be a day such as 2026-11-01 or a time such as 2026-11-01T13:00Z, UTC, from 1970 on.`,
  );
}
