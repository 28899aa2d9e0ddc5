import type { Experiment } from "#lib/contracts/drill.ts";
import { exchange } from "./http-exchange.ts";

const PROBE_LIMIT_MS = 3_000;

export interface ProbeResult {
  readonly name: string;
  readonly holds: boolean;
  /** What was seen, in words. */
  readonly seen: string;
}

/** Asks every probe of the hypothesis once; one that does not answer does not hold. */
export function probeSteadyState(
  hypothesis: Experiment["steady-state-hypothesis"],
  endpoint: string,
): Promise<ProbeResult[]> {
  return Promise.all(
    hypothesis.probes.map(async ({ name, tolerance, provider }) => {
      const url = provider.url.replaceAll("${endpoint}", endpoint);
      const timeoutMs = provider.timeout === undefined ? PROBE_LIMIT_MS : provider.timeout * 1_000;
      try {
        const { status } = await exchange({ url, timeoutMs });
        return { name, holds: status === tolerance, seen: `${url} answered ${status}` };
      } catch (error) {
        return { name, holds: false, seen: `${url} did not answer: ${String(error)}` };
      }
    }),
  );
}
