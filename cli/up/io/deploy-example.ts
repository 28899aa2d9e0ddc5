import { join } from "node:path";
import { FunctionView } from "#lib/contracts/api.ts";
import { ERRORS, MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ApiClient } from "../../api-client.ts";
import { type BundledFunction, bundleFunction } from "../../bundle/bundle-function.ts";
import { deployCode } from "../../deploy-code.ts";
import { NoAnswerError } from "../../failures.ts";
import { REPOSITORY } from "../../state-directory.ts";

export const EXAMPLE_FUNCTION = "hello";
const RETRY_MS = 40;

export const bundleExample = (): Promise<BundledFunction> =>
  bundleFunction(join(REPOSITORY, "examples", EXAMPLE_FUNCTION), {}, { mayBundle: true });

/** Deploys the example through the API, as anyone would, unless the tenant has it already. */
export async function deployExample(
  client: ApiClient,
  tenant: string,
  bundle: () => Promise<BundledFunction>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      if (await isDeployed(client, tenant, signal)) return;
      await deployCode(client, { tenant }, await bundle(), signal);
      return;
    } catch (error) {
      if (!isStarting(error)) throw error;
    }
    await clock.sleep(RETRY_MS, signal);
  }
}

async function isDeployed(
  client: ApiClient,
  tenant: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await client.json(FunctionView, {
      path: `/v1/tenants/${tenant}/functions/${EXAMPLE_FUNCTION}`,
      signal,
    });
    return true;
  } catch (error) {
    if (error instanceof MeridianError && error.code === "MERIDIAN_FUNCTION_NOT_FOUND")
      return false;
    throw error;
  }
}

/** Failures that pass while a federation starts: nobody listens yet, or the new keys are not known everywhere. */
const isStarting = (error: unknown): boolean =>
  error instanceof NoAnswerError ||
  (error instanceof MeridianError &&
    (ERRORS[error.code].retryable || error.code === "MERIDIAN_UNAUTHENTICATED"));
