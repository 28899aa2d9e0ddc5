/** How a call ended, by who has to look into it. */
export type CallOutcome = (typeof CALL_OUTCOMES)[number];

export const CALL_OUTCOMES = [
  "success",
  /** The function threw, ran out of its own time, or answered 5xx itself. */
  "function-error",
  /** The caller's mistake. */
  "caller-error",
  /** A limit of the tenant, or no room anywhere. */
  "limited",
  "platform-error",
  /** The caller did not wait for the answer. */
  "caller-gone",
] as const;

export interface EndedCall {
  readonly status: number;
  /** The platform's word for what went wrong, if it was the platform that answered. */
  readonly errorCode: string | undefined;
  readonly isFunctionError: boolean;
  readonly isLimited: boolean;
  readonly isCallerGone: boolean;
}

/** Said by the platform of what the function did. */
const FUNCTIONS_FAULT = "MERIDIAN_FUNCTION_FAILED";

export function judgeOutcome(call: EndedCall): CallOutcome {
  if (call.isCallerGone) return "caller-gone";
  if (call.isFunctionError || call.errorCode === FUNCTIONS_FAULT) return "function-error";
  if (call.isLimited || (call.status === 429 && call.errorCode !== undefined)) return "limited";
  // A function may answer 404 and mean it well; only what the platform refused is the caller's mistake.
  if (call.errorCode === undefined) return call.status >= 500 ? "function-error" : "success";
  return call.status >= 500 ? "platform-error" : "caller-error";
}
