import { setTimeout as delay } from "node:timers/promises";
import type { CallRecord, LoadPlan, LoadSeries } from "#lib/contracts/drill-load.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { type Arrival, planArrivals } from "../core/plan-arrivals.ts";
import { seededRandom } from "../core/seeded-random.ts";
import { type Caller, openCaller } from "./send-call.ts";

/** Calls of one series under way at the same time; one more is written down as unsent. */
const IN_FLIGHT_MAX = 2_000;

/** Sends each call when it is due, whatever becomes of those before it, until the signal; then waits for those under way. */
export async function openLoop(
  plan: LoadPlan,
  add: (call: CallRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    plan.series.map((series, index) => runSeries(plan, series, plan.seed + index, add, signal)),
  );
}

async function runSeries(
  plan: LoadPlan,
  series: LoadSeries,
  seed: number,
  add: (call: CallRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  const caller = openCaller(series.endpoint, plan);
  const underWay = new Set<Promise<void>>();
  const arrivals = planArrivals(plan.requestsPerSecond, plan.callerZones, seededRandom(seed));
  for (const arrival of arrivals) {
    const intendedMs = plan.startAtMs + arrival.offsetMs;
    await waitUntil(intendedMs, signal);
    if (signal.aborted) break;
    if (underWay.size >= IN_FLIGHT_MAX) {
      add(unsent(plan, series, arrival, intendedMs));
      continue;
    }
    const call = sendNumbered(caller, plan, series, arrival, intendedMs).then(add);
    underWay.add(call);
    void call.finally(() => underWay.delete(call));
  }
  await Promise.all(underWay);
  caller.close();
}

/** Returns at once when the time has passed: a late call is sent all the same, and its slip is told. */
async function waitUntil(dueMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = dueMs - machineNowMs();
    if (waitMs <= 0 || signal.aborted) return;
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

async function sendNumbered(
  caller: Caller,
  plan: LoadPlan,
  series: LoadSeries,
  arrival: Arrival,
  intendedMs: number,
): Promise<CallRecord> {
  const id = callId(plan, series, arrival);
  const sentMs = machineNowMs();
  const { callerZone } = arrival;
  const leftMs = intendedMs + plan.timeoutMs - sentMs;
  const ending = await caller.send(series.functionName, id, callerZone, leftMs, arrival.number);
  const endedMs = machineNowMs();
  return { id, series: series.name, callerZone, intendedMs, sentMs, endedMs, ...ending };
}

const unsent = (
  plan: LoadPlan,
  series: LoadSeries,
  arrival: Arrival,
  intendedMs: number,
): CallRecord => ({
  id: callId(plan, series, arrival),
  series: series.name,
  callerZone: arrival.callerZone,
  intendedMs,
  sentMs: intendedMs,
  endedMs: intendedMs,
  outcome: "unsent",
  status: null,
  detail: null,
  zone: null,
  attempts: null,
});

const callId = (plan: LoadPlan, series: LoadSeries, { number }: Arrival): string =>
  `${plan.runId}-${series.name}-${number}`;
