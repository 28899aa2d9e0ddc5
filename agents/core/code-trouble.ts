import type { MeridianError } from "#lib/errors.ts";

/** Code that could not be put in place, time after time. */
export interface CodeTrouble {
  /** In a row. */
  readonly failures: number;
  /** Nothing is fetched before; who asks is told the last failure. */
  readonly retryAtMs: number;
  readonly lastError: MeridianError;
}

const BACK_OFF_MIN_MS = 500;
const BACK_OFF_MAX_MS = 30_000;

/**
 * One failure may be chance and is tried again at once; from the second on each doubles the wait, from 0.5 s to 30 s. An archive that
 * is unusable will be so the next time too, unless the store's was damaged.
 */
export function afterFailedFetch(
  before: CodeTrouble | undefined,
  lastError: MeridianError,
  nowMs: number,
): CodeTrouble {
  const failures = (before?.failures ?? 0) + 1;
  return { failures, retryAtMs: nowMs + backOffMs(failures, lastError), lastError };
}

function backOffMs(failures: number, { code }: MeridianError): number {
  if (code === "MERIDIAN_CODE_INVALID") return BACK_OFF_MAX_MS;
  return failures < 2 ? 0 : Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** (failures - 2));
}

/** What to answer without trying; undefined when it is time to try. */
export const failureAtOnce = (
  trouble: CodeTrouble | undefined,
  nowMs: number,
): MeridianError | undefined =>
  trouble !== undefined && nowMs < trouble.retryAtMs ? trouble.lastError : undefined;
