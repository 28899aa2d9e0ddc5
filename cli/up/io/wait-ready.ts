import { Value } from "typebox/value";
import { RouteExplanation } from "#lib/contracts/api-status.ts";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import { readEndpoints } from "#lib/io/run-directory.ts";
import { NoAnswerError } from "../../failures.ts";
import type { ApiClient } from "../../api-client.ts";
import { exchange } from "../../http-exchange.ts";
import type { Clock } from "#lib/ports/clock.ts";

const POLL_MS = 40;
const ATTEMPT_LIMIT_MS = 2_000;

/** Asks until the answer is a value. */
export async function pollUntil<T>(
  clock: Clock,
  signal: AbortSignal,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    const value = await probe();
    if (value !== undefined) return value;
    await clock.sleep(POLL_MS, signal);
  }
}

/** `/readyz` of the program says yes, wherever it listens now; where a zone has several, that of each. */
export async function isReadyNow(
  runDirectory: string,
  program: RunEndpoint["program"],
  zone: string | null,
  signal: AbortSignal,
): Promise<boolean> {
  const endpoints = await readEndpoints(runDirectory);
  const found = endpoints.filter((one) => one.program === program && one.zone === zone);
  if (found.length === 0) return false;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_LIMIT_MS)]);
  try {
    const answers = await Promise.all(
      found.map(({ urls }) => exchange(new URL("/readyz", urls.admin), { signal: limit })),
    );
    return answers.every(({ status }) => status === 200);
  } catch {
    return false;
  }
}

/** The gateway would send a call of the function to some cluster. */
export async function waitUntilRouted(
  gateway: ApiClient,
  tenant: string,
  functionName: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  await pollUntil(clock, signal, async () => {
    try {
      const { body } = await gateway.raw({
        path: `/v1/route:explain?tenant=${tenant}&function=${functionName}`,
        timeoutMs: ATTEMPT_LIMIT_MS,
        signal,
      });
      const document: unknown = JSON.parse(body.toString("utf8"));
      const isRouted = Value.Check(RouteExplanation, document) && document.chosen !== null;
      return isRouted ? true : undefined;
    } catch (error) {
      if (error instanceof NoAnswerError || error instanceof SyntaxError) return undefined;
      throw error;
    }
  });
}
