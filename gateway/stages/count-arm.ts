import { ANSWER_HEADERS } from "#lib/contracts/invocation.ts";
import { type ErrorCode, isErrorCode } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { toMeridianError } from "#lib/problem.ts";
import type { ArmCounters } from "../core/count-arms.ts";
import type { MatchedCall } from "../call.ts";
import type { RolloutMark } from "../core/choose-version.ts";
import type { Handler, Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";

/** Failures that the version has a part in; every other one of the platform would have met any version. */
const FAULTS_OF_VERSION: readonly ErrorCode[] = [
  "MERIDIAN_FUNCTION_FAILED",
  "MERIDIAN_INSTANCE_LOST",
  "MERIDIAN_ANSWER_TIMEOUT",
  "MERIDIAN_CODE_INVALID",
  "MERIDIAN_CODE_UNAVAILABLE",
  "MERIDIAN_SECRET_UNAVAILABLE",
];

/** Counts how calls end that a rollout has marked, for its judge. */
export function countArm(arms: ArmCounters, clock: Clock): Stage<MatchedCall, MatchedCall> {
  const counted = async (next: Handler<MatchedCall>, call: MatchedCall, mark: RolloutMark) => {
    const beganAtMs = clock.nowMs();
    try {
      const answer = await next(call);
      // Its fallback answered because it had failed everywhere.
      const isError = call.receipt.fallback !== undefined || isFault(answer);
      if (isError === undefined) return answer;
      const isTelling = !isError && !call.receipt.isColdStart;
      const nowMs = clock.nowMs();
      arms.count(mark, { isError, latencyMs: isTelling ? nowMs - beganAtMs : undefined }, nowMs);
      return answer;
    } catch (thrown) {
      if (FAULTS_OF_VERSION.includes(toMeridianError(thrown).code))
        arms.count(mark, { isError: true, latencyMs: undefined }, clock.nowMs());
      throw thrown;
    }
  };
  return (next) => (call) =>
    call.mark === undefined ? next(call) : counted(next, call, call.mark);
}

/** Whether the version failed; undefined for answers that are not its own: refusals, limits, replays, a caller who went away. */
function isFault({ status, headers }: Answer): boolean | undefined {
  if (headers[ANSWER_HEADERS.replayed] !== undefined) return undefined;
  if (headers[ANSWER_HEADERS.functionError] !== undefined) return true;
  const code = headers[ANSWER_HEADERS.errorCode];
  if (code !== undefined)
    return isErrorCode(code) && FAULTS_OF_VERSION.includes(code) ? true : undefined;
  // Nginx' word for a caller who did not wait for the answer.
  return status === 499 ? undefined : status >= 500;
}
