import type { ErrorPayload } from "#lib/contracts/instance-frames.ts";
import { MeridianError } from "#lib/errors.ts";
import { type CallOutcome, refused } from "./call-outcome.ts";
import type { FailedStart } from "./instance-fleet.ts";
import type { PoolVersion } from "./pool-version.ts";

/** What a call is told that waited for a start. */
export function failedStart(outcome: FailedStart): CallOutcome {
  switch (outcome.kind) {
    case "init-failed":
      return initFailure(outcome.error);
    case "not-started":
      return refused(
        new MeridianError(
          "MERIDIAN_OVERLOADED",
          `This cluster could not start an instance: ${outcome.reason}. Try again in a moment.`,
        ),
      );
    case "no-code":
      return refused(outcome.error);
  }
}

export const initFailure = (error: ErrorPayload): CallOutcome => ({
  kind: "function-error",
  errorKind: "Unhandled",
  error,
  coldStart: undefined,
});

export const removed = ({ tenant, functionName, version }: PoolVersion): MeridianError =>
  new MeridianError(
    "MERIDIAN_FUNCTION_NOT_FOUND",
    `Version ${version.version} of ${tenant}/${functionName} was removed while the call waited.`,
  );

export const withdrawn = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_OVERLOADED",
    "The gateway did not say in time that the call may start, so it was not started. Try again.",
  );
