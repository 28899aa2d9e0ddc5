import type { Experiment } from "#lib/contracts/drill.ts";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import type { ProbeResult } from "../core/drill.ts";
import { exchange } from "./http-exchange.ts";

const PROBE_LIMIT_MS = 3_000;

/** Asks every probe of the hypothesis once; one that does not answer does not hold. */
export function probeSteadyState(
  hypothesis: Experiment["steady-state-hypothesis"],
  endpoint: string,
): Promise<ProbeResult[]> {
  return Promise.all(
    hypothesis.probes.map(async ({ name, tolerance, provider }) => {
      const url = provider.url.replaceAll("${endpoint}", endpoint);
      const timeoutMs = provider.timeout === undefined ? PROBE_LIMIT_MS : provider.timeout * 1_000;
      const fromMs = machineNowMs();
      let status: number | null = null;
      let seen: string;
      try {
        ({ status } = await exchange({ url, timeoutMs }));
        seen = `${url} answered ${status}`;
      } catch (error) {
        seen = `${url} did not answer: ${String(error)}`;
      }
      const holds = status === tolerance;
      return { name, holds, seen, status, fromMs, untilMs: machineNowMs() };
    }),
  );
}
