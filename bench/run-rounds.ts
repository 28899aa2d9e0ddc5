import { cpuMicros } from "./measure-cpu.ts";
import type { Reading, VariantReadings } from "./rows.ts";
import { runLoad } from "./run-load.ts";

/** One way to the same function. */
export interface Variant {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The processes whose CPU time is counted, and what to call them. */
  readonly pids: readonly number[];
  readonly cpuOf: string;
}

export interface RoundOptions {
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly connections: number;
  readonly tell: (what: string) => void;
}

/** Warms every variant, then measures them in turn, round after round, so that a drifting machine drifts for all alike. */
export async function runRounds(
  variants: readonly Variant[],
  { rounds, secondsPerRound, connections, tell }: RoundOptions,
): Promise<VariantReadings[]> {
  for (const variant of variants) {
    tell(`warming ${variant.name}`);
    await measure(variant, connections, secondsPerRound);
  }
  const readings = new Map<Variant, Reading[]>(variants.map((variant) => [variant, []]));
  for (let round = 1; round <= rounds; round += 1)
    for (const variant of variants) {
      tell(`round ${round} of ${rounds}: ${variant.name}`);
      readings.get(variant)?.push(await measure(variant, connections, secondsPerRound));
    }
  return variants.map((variant) => ({
    variant: variant.name,
    cpuOf: variant.cpuOf,
    readings: readings.get(variant) ?? [],
  }));
}

async function measure(variant: Variant, connections: number, seconds: number): Promise<Reading> {
  const { url, headers, body, pids } = variant;
  const before = cpuMicros(pids);
  const result = await runLoad({ url, headers, body, connections, seconds });
  const after = cpuMicros(pids);
  if (result.requests === 0)
    throw new Error(`${variant.name} answered no request: ${result.firstError}`);
  return {
    requestsPerSecond: result.requests / result.elapsedSeconds,
    cpuMicrosPerRequest:
      before === undefined || after === undefined ? null : (after - before) / result.requests,
    p50Micros: result.p50Micros,
    p99Micros: result.p99Micros,
    errors: result.errors,
  };
}
