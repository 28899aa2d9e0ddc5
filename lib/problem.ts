import { type ErrorCode, ERRORS, isErrorCode, MeridianError } from "./errors.ts";

/** A failure on the wire, as RFC 9457 has it; `type` is a URN made of the code. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly requestId?: string;
  readonly [member: string]: unknown;
}

export const PROBLEM_TYPE = "application/problem+json";

export function toProblem(error: MeridianError, requestId?: string): Problem {
  const { status, title, retryable } = ERRORS[error.code];
  return {
    type: `urn:meridian:error:${error.code.slice("MERIDIAN_".length).toLowerCase().replaceAll("_", "-")}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    retryable,
    ...(requestId === undefined ? {} : { requestId }),
    ...error.members,
  };
}

/** The failure a problem+json body tells of; `undefined` when the body is not one of ours. */
export function fromProblem(body: unknown): MeridianError | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const {
    code,
    detail,
    type: _type,
    title: _title,
    status: _status,
    retryable: _retryable,
    ...members
  } = body as Record<string, unknown>;
  if (!isErrorCode(code)) return undefined;
  return new MeridianError(code, typeof detail === "string" ? detail : ERRORS[code].title, {
    members,
  });
}

/** Anything thrown, as a failure a caller may see; what we did not foresee keeps its message to the log. */
export function toMeridianError(thrown: unknown): MeridianError {
  if (thrown instanceof MeridianError) return thrown;
  return new MeridianError(
    "MERIDIAN_INTERNAL",
    "An unexpected failure; the log of this request id has the details.",
    { cause: thrown },
  );
}
