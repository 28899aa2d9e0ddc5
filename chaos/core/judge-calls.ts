import type { CallRecord, LoadSeries } from "#lib/contracts/drill-load.ts";
import type { Moments } from "./drill.ts";
import type { Ledger } from "./read-ledger.ts";

/** Connections of a killed gateway break at once; a break later than this is not the kill's. */
const BREAK_GRACE_MS = 1_000;

/**
 * `connection-lost`: the call's connection was held by, or aimed at, the gateway that was killed. No federation can keep that
 * promise, so it has a column of its own.
 */
export type CallVerdict = "good" | "lost" | "connection-lost" | "unsent";

export interface JudgedCall {
  readonly call: CallRecord;
  readonly series: LoadSeries;
  readonly verdict: CallVerdict;
  /** Counted from when the call was due. */
  readonly latencyMs: number;
  /** How often the function was started for it. */
  readonly starts: number;
  /** Why a call that is not good is not. */
  readonly cause: string | null;
}

export function judgeCalls(
  calls: readonly CallRecord[],
  series: readonly LoadSeries[],
  ledger: Ledger,
  targetZone: string,
  moments: Moments,
): JudgedCall[] {
  const seriesByName = new Map(series.map((one) => [one.name, one]));
  return calls.flatMap((call) => {
    const its = seriesByName.get(call.series);
    if (its === undefined) return [];
    const starts = ledger.startsById.get(call.id) ?? 0;
    const verdict = judgeCall(call, its, starts, targetZone, moments);
    const latencyMs = call.endedMs - call.intendedMs;
    return [{ call, series: its, verdict, latencyMs, starts, cause: causeOf(call, verdict) }];
  });
}

function judgeCall(
  call: CallRecord,
  series: LoadSeries,
  starts: number,
  targetZone: string,
  moments: Moments,
): CallVerdict {
  switch (call.outcome) {
    case "ok":
      // An answer to a call that the function never saw is the worst kind of loss.
      return starts > 0 ? "good" : "lost";
    case "unsent":
      return "unsent";
    case "refused":
    case "reset":
      return isHeldByDeadGateway(call, series, targetZone, moments) ? "connection-lost" : "lost";
    case "timeout":
    case "status":
    case "wrong":
      return series.gatewayZone === targetZone && wasDown(call, moments)
        ? "connection-lost"
        : "lost";
  }
}

function isHeldByDeadGateway(
  call: CallRecord,
  series: LoadSeries,
  targetZone: string,
  moments: Moments,
): boolean {
  if (series.gatewayZone === targetZone) return wasDown(call, moments);
  if (series.gatewayZone !== null) return false;
  const { faultCommandedMs, faultedMs } = moments;
  if (faultCommandedMs === null) return false;
  const untilMs = (faultedMs ?? faultCommandedMs) + BREAK_GRACE_MS;
  return call.endedMs >= faultCommandedMs && call.endedMs <= untilMs;
}

/** Whether the call overlapped the time in which the killed gateway could not serve. */
function wasDown(call: CallRecord, { faultCommandedMs, healedMs }: Moments): boolean {
  if (faultCommandedMs === null) return false;
  return call.endedMs >= faultCommandedMs && call.sentMs <= (healedMs ?? Number.POSITIVE_INFINITY);
}

function causeOf(call: CallRecord, verdict: CallVerdict): string | null {
  if (verdict === "good") return null;
  if (call.outcome === "ok") return "answered, but never started";
  const status = call.status === null ? "" : ` ${call.status}`;
  const detail = call.detail === null ? "" : ` ${call.detail}`;
  return `${call.outcome}${status}${detail}`;
}
