import { runClosedLoop, runOpenLoop } from "../drive/run-drive.ts";
import type { DrivenCall } from "../drive/plan.ts";
import { cpuMicros } from "../measure-cpu.ts";
import { processTree } from "../processes.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";

/** One way from a caller to the same answer. */
export interface Way {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The proxy's; empty where there is none between. */
  readonly pids: readonly number[];
}

export interface WayRounds {
  readonly way: Way;
  readonly full: readonly FullReading[];
  readonly steady: readonly SteadyReading[];
}

/** As many calls as the proxy can serve. */
export interface FullReading {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  /** Of one core. */
  readonly busyPercent: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly errors: number;
}

/** A fixed rate that all can serve. */
export interface SteadyReading {
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** How late the generator itself was. */
  readonly slipP99Micros: number;
  readonly cpuMicrosPerRequest: number;
  readonly errors: number;
}

export interface RoundsPlan {
  readonly body: string;
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly connections: number;
  readonly warmupRequests: number;
  readonly steadyPerSecond: number;
  /** Where the load runs. */
  readonly core: number | undefined;
  readonly tell: (what: string) => void;
}

const START_AHEAD_MS = 1_000;

/** Warms every way up, then measures them in turn, round after round, so that a drifting machine drifts for all alike. */
export async function runRounds(ways: readonly Way[], plan: RoundsPlan): Promise<WayRounds[]> {
  for (const way of ways) {
    plan.tell(`warming ${way.name}`);
    await driveFull(way, plan, 0, plan.warmupRequests);
  }
  const results = ways.map((way) => ({
    way,
    full: new Array<FullReading>(),
    steady: new Array<SteadyReading>(),
  }));
  for (let round = 1; round <= plan.rounds; round += 1)
    for (const { way, full, steady } of results) {
      full.push(await driveFull(way, plan, plan.secondsPerRound, 1));
      steady.push(await driveSteady(way, plan));
      plan.tell(`round ${round} of ${plan.rounds}: ${way.name}, ${told(full.at(-1))}`);
    }
  return results;
}

const told = (reading: FullReading | undefined): string =>
  `${Math.round(reading?.cpuMicrosPerRequest ?? 0)} µs of CPU per request`;

async function driveFull(
  way: Way,
  { body, connections, core }: RoundsPlan,
  seconds: number,
  requestsMin: number,
): Promise<FullReading> {
  const { url, headers } = way;
  const before = usedMicros(way);
  const result = await runClosedLoop(
    { url, headers, body, connections, seconds, requestsMin },
    core,
  );
  const micros = usedMicros(way) - before;
  if (result.requests === 0)
    throw new Error(`${way.name} answered no request: ${result.firstError}`);
  if (result.errors > 0) throw new Error(`${way.name} failed: ${result.firstError}`);
  return {
    ...result,
    requestsPerSecond: result.requests / result.elapsedSeconds,
    cpuMicrosPerRequest: micros / result.requests,
    busyPercent: (micros / (result.elapsedSeconds * 1_000_000)) * 100,
  };
}

async function driveSteady(
  way: Way,
  { body, steadyPerSecond, secondsPerRound, core }: RoundsPlan,
): Promise<SteadyReading> {
  const { url, headers } = way;
  const before = usedMicros(way);
  const calls = await runOpenLoop(
    {
      url,
      headers,
      body,
      isNumberAnswered: false,
      startAtMs: machineNowMs() + START_AHEAD_MS,
      perSecond: steadyPerSecond,
      seconds: secondsPerRound,
      timeoutMs: 3_000,
    },
    core,
  );
  const micros = usedMicros(way) - before;
  const good = calls.filter(({ failure }) => failure === null);
  const took = (share: number) => quantileMicros(good, share, (call) => call.endedMs - call.sentMs);
  return {
    p50Micros: took(0.5),
    p99Micros: took(0.99),
    slipP99Micros: quantileMicros(calls, 0.99, (call) => call.sentMs - call.dueMs),
    cpuMicrosPerRequest: micros / Math.max(1, good.length),
    errors: calls.length - good.length,
  };
}

function quantileMicros(
  calls: readonly DrivenCall[],
  share: number,
  tookMs: (call: DrivenCall) => number,
): number {
  const sorted = calls.map(tookMs).toSorted((one, other) => one - other);
  return Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 1_000);
}

/** Of the proxy and of whatever it has started. */
const usedMicros = ({ pids }: Way): number => cpuMicros(pids.flatMap(processTree)) ?? 0;
