import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DrillExtension } from "#lib/contracts/drill.ts";
import type { CallRecord, LoadSeries } from "#lib/contracts/drill-load.ts";
import type { RunRecord } from "../../../chaos/core/analyse-run.ts";
import type { Drill, Moments } from "../../../chaos/core/drill.ts";
import { planSeries } from "../../../chaos/core/plan-series.ts";
import type { Ledger } from "../../../chaos/core/read-ledger.ts";

export const ZONES = ["ap-south", "eu-west", "us-east"];
export const TARGET = "eu-west";
const RUN_ID = "run";
/** Far from zero, as the machine's clock is. */
export const START_MS = 1_000_000;
const PERIOD_MS = 40;

/** Killed after 5 s, started again after 15 s, ended after 40 s; detected 1.5 s after the fault. */
export const MOMENTS: Moments = {
  loadStartedMs: START_MS,
  faultCommandedMs: START_MS + 4_950,
  faultedMs: START_MS + 5_000,
  detectedMs: START_MS + 6_500,
  healCommandedMs: START_MS + 15_000,
  healedMs: START_MS + 16_000,
  loadEndedMs: START_MS + 40_000,
};
/** When the zone serves its callers again. */
const BACK_MS = START_MS + 28_000;

export function shippedDrill(): Drill {
  const file = join(import.meta.dirname, "../../../chaos/drills/zone-kill.json");
  const experiment = JSON.parse(readFileSync(file, "utf8")) as { extensions: DrillExtension[] };
  const [extension] = experiment.extensions;
  if (extension === undefined) throw new Error("the shipped drill has no extension");
  return extension.drill;
}

export const SERIES = planSeries(
  {
    endpoint: "http://127.0.0.1:8080",
    gateways: ZONES.map((zone, index) => ({ zone, url: `http://127.0.0.1:${8_081 + index}` })),
  },
  { idempotent: "again", once: "once" },
);

/** A run as a good federation would give: one second attempt at 300 ms, refusals at the dead gateway's own port. */
export function goodRun(): RunRecord {
  const calls = SERIES.flatMap((series) =>
    Array.from({ length: 1_000 }, (_, number) => goodCall(series, number)),
  );
  return {
    runId: RUN_ID,
    drill: shippedDrill(),
    moments: MOMENTS,
    series: SERIES,
    calls,
    callsAnnounced: calls.length,
    ledger: ledgerOf(calls),
    steadyStateProbesFailed: 0,
    earlyEnd: null,
  };
}

function goodCall(series: LoadSeries, number: number): CallRecord {
  const intendedMs = START_MS + number * PERIOD_MS + 10;
  const callerZone = ZONES[number % ZONES.length] ?? "";
  const call: CallRecord = {
    id: `${RUN_ID}-${series.name}-${number}`,
    series: series.name,
    callerZone,
    intendedMs,
    sentMs: intendedMs + 1,
    endedMs: intendedMs + 6,
    outcome: "ok",
    status: 200,
    detail: null,
    zone: callerZone,
    attempts: 1,
  };
  const isDown = intendedMs >= START_MS + 4_950 && intendedMs < START_MS + 16_000;
  if (isDown && series.gatewayZone === TARGET)
    return {
      ...call,
      outcome: "refused",
      status: null,
      detail: "ECONNREFUSED",
      zone: null,
      attempts: null,
    };
  const isAway = intendedMs >= START_MS + 4_950 && intendedMs < BACK_MS;
  if (!isAway || callerZone !== TARGET) return call;
  const attempts = intendedMs < START_MS + 5_300 ? 2 : 1;
  return { ...call, zone: "us-east", attempts };
}

/** Each call that was answered was started once. */
function ledgerOf(calls: readonly CallRecord[]): Ledger {
  const started = calls.filter(({ outcome }) => outcome === "ok");
  return { startsById: new Map(started.map(({ id }) => [id, 1])), brokenLines: 0 };
}

/** The same run with some of its calls changed, the ledger staying as it was. */
export function withCalls(
  run: RunRecord,
  matches: (call: CallRecord) => boolean,
  change: (call: CallRecord) => CallRecord,
): RunRecord {
  return { ...run, calls: run.calls.map((call) => (matches(call) ? change(call) : call)) };
}

/** The same run with calls that the function started this often. */
export function withStarts(run: RunRecord, id: string, starts: number): RunRecord {
  const startsById = new Map(run.ledger.startsById);
  if (starts === 0) startsById.delete(id);
  else startsById.set(id, starts);
  return { ...run, ledger: { ...run.ledger, startsById } };
}
