/**
 * Every failure a caller can see: its code, HTTP status, whether the same call may succeed later, and its title. The table
 * yields the problem+json bodies and `docs/reference/errors.md`. A function's own error is not in it.
 */
export const ERRORS = {
  MERIDIAN_BAD_REQUEST: { status: 400, retryable: false, title: "The request is malformed" },
  MERIDIAN_BODY_INVALID_JSON: {
    status: 400,
    retryable: false,
    title: "The body says it is JSON and is not",
  },
  MERIDIAN_MANIFEST_INVALID: {
    status: 400,
    retryable: false,
    title: "The function manifest is invalid",
  },
  MERIDIAN_CODE_INVALID: { status: 400, retryable: false, title: "The code archive is invalid" },
  MERIDIAN_CODE_DIGEST_MISMATCH: {
    status: 400,
    retryable: false,
    title: "The code does not have the digest it was sent under",
  },
  MERIDIAN_HANDLER_MISSING: {
    status: 400,
    retryable: false,
    title: "The archive has no file for the handler",
  },
  MERIDIAN_REGION_UNKNOWN: {
    status: 400,
    retryable: false,
    title: "There is no such region or zone",
  },
  MERIDIAN_WEIGHTS_INVALID: {
    status: 400,
    retryable: false,
    title: "The shares of the versions do not make a whole",
  },
  MERIDIAN_SECRET_UNKNOWN: {
    status: 400,
    retryable: false,
    title: "The manifest names a secret that the tenant does not have",
  },
  MERIDIAN_QUOTA_VALUE_INVALID: {
    status: 400,
    retryable: false,
    title: "The quota cannot have that value",
  },
  MERIDIAN_UNAUTHENTICATED: { status: 401, retryable: false, title: "A valid API key is needed" },
  MERIDIAN_FORBIDDEN: { status: 403, retryable: false, title: "This key may not do that" },
  MERIDIAN_NOT_FOUND: { status: 404, retryable: false, title: "There is no such thing" },
  MERIDIAN_FUNCTION_NOT_FOUND: {
    status: 404,
    retryable: false,
    title: "There is no such function",
  },
  MERIDIAN_CODE_NOT_FOUND: {
    status: 404,
    retryable: false,
    title: "No store holds code with that digest",
  },
  MERIDIAN_METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    title: "That method is not allowed here",
  },
  MERIDIAN_UPGRADE_UNSUPPORTED: {
    status: 400,
    retryable: false,
    title: "The function speaks no other protocol than HTTP",
  },
  MERIDIAN_REQUEST_TIMEOUT: {
    status: 408,
    retryable: true,
    title: "The request did not arrive in time",
  },
  MERIDIAN_CONFLICT: { status: 409, retryable: false, title: "Its state does not allow that" },
  MERIDIAN_LAST_CLUSTER: {
    status: 409,
    retryable: false,
    title: "No other cluster would take calls",
  },
  MERIDIAN_ISOLATION_UNPROVED: {
    status: 409,
    retryable: false,
    title: "No cluster that the placement permits has proved the isolation that is asked for",
  },
  MERIDIAN_LIMIT_REACHED: {
    status: 409,
    retryable: false,
    title: "There are as many of those as there may be",
  },
  MERIDIAN_PRECONDITION_FAILED: {
    status: 412,
    retryable: false,
    title: "It was changed by somebody else in between",
  },
  MERIDIAN_BODY_TOO_LARGE: { status: 413, retryable: false, title: "The body is too large" },
  MERIDIAN_CODE_TOO_LARGE: {
    status: 413,
    retryable: false,
    title: "The code archive is too large",
  },
  MERIDIAN_ANSWER_NOT_KEPT: {
    status: 409,
    retryable: false,
    title: "The call with this key was executed, and its answer was not kept",
  },
  MERIDIAN_KEY_REUSED: {
    status: 422,
    retryable: false,
    title: "The Idempotency-Key belongs to another request",
  },
  MERIDIAN_EXPECTATION_FAILED: {
    status: 417,
    retryable: false,
    title: "What the request expects is not offered",
  },
  MERIDIAN_RATE_LIMITED: {
    status: 429,
    retryable: true,
    title: "The tenant's request rate is used up",
  },
  MERIDIAN_CONCURRENCY_LIMITED: {
    status: 429,
    retryable: true,
    title: "The tenant's concurrent calls are used up",
  },
  MERIDIAN_HEADERS_TOO_LARGE: {
    status: 431,
    retryable: false,
    title: "The request's headers are too large or too many",
  },
  MERIDIAN_FUNCTION_FAILED: { status: 502, retryable: false, title: "The function failed" },
  MERIDIAN_INSTANCE_LOST: {
    status: 502,
    retryable: false,
    title: "The instance died while it ran the call",
  },
  MERIDIAN_CONNECTION_LOST: {
    status: 502,
    retryable: false,
    title: "The cluster was lost while it may have run the call",
  },
  MERIDIAN_INTERNAL: { status: 500, retryable: false, title: "Something is wrong inside Meridian" },
  MERIDIAN_TRANSFER_CODING_UNKNOWN: {
    status: 501,
    retryable: false,
    title: "The body is coded in a way that is not served",
  },
  MERIDIAN_SECRETS_OFF: {
    status: 501,
    retryable: false,
    title: "This federation has no key to encrypt secrets with",
  },
  MERIDIAN_SECRET_UNAVAILABLE: {
    status: 503,
    retryable: true,
    title: "A secret of the function cannot be read now",
  },
  MERIDIAN_SHED: {
    status: 503,
    retryable: true,
    title: "The federation is full and the call was turned away where it came in",
  },
  MERIDIAN_OVERLOADED: { status: 503, retryable: true, title: "Every cluster is at its limit" },
  MERIDIAN_NO_CLUSTER: { status: 503, retryable: true, title: "No cluster can take the call now" },
  MERIDIAN_RESIDENCY_UNAVAILABLE: {
    status: 503,
    retryable: true,
    title: "No cluster that the placement allows can take the call now",
  },
  MERIDIAN_ISOLATION_UNAVAILABLE: {
    status: 503,
    retryable: true,
    title: "No cluster that may take the call has proved the isolation its function asks for",
  },
  MERIDIAN_ROUTES_UNCONFIRMED: {
    status: 503,
    retryable: true,
    title: "This gateway's routes are too old to decide where the function may run",
  },
  MERIDIAN_TENANT_SUSPENDED: {
    status: 403,
    retryable: false,
    title: "The tenant is suspended",
  },
  MERIDIAN_CODE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    title: "The function's code cannot be fetched now",
  },
  MERIDIAN_CODE_DAMAGED: {
    status: 503,
    retryable: true,
    title: "The stored code is damaged in this zone",
  },
  MERIDIAN_CODE_NOT_DURABLE: {
    status: 503,
    retryable: true,
    title: "Too few zones could store the code",
  },
  MERIDIAN_CATALOG_UNAVAILABLE: {
    status: 503,
    retryable: true,
    title: "The catalog cannot be reached; nothing was changed",
  },
  MERIDIAN_CATALOG_FOREIGN: {
    status: 503,
    retryable: false,
    title: "The catalog is not that of this federation; nothing was changed",
  },
  MERIDIAN_CATALOG_NEWER: {
    status: 503,
    retryable: false,
    title: "The catalog needs a newer version of this program; nothing was changed",
  },
  MERIDIAN_CATALOG_UNDECIDED: {
    status: 409,
    retryable: false,
    title: "An operator has to decide on what a restored catalog lost; nothing was changed",
  },
  MERIDIAN_REPLICA_BEHIND: {
    status: 503,
    retryable: true,
    title: "This zone has not heard of the asked position yet",
  },
  MERIDIAN_POSITION_UNKNOWN: {
    status: 409,
    retryable: false,
    title: "The asked position is of another history than this zone's",
  },
  MERIDIAN_WRITE_AMBIGUOUS: {
    status: 503,
    retryable: false,
    title: "The catalog did not confirm the change; look before repeating it",
  },
  MERIDIAN_GATEWAY_UNREACHABLE: {
    status: 503,
    retryable: true,
    title: "The gateway that was asked about does not answer",
  },
  MERIDIAN_CONTROL_UNAVAILABLE: {
    status: 503,
    retryable: true,
    title: "No federator answers; calls are still served",
  },
  MERIDIAN_STARTING: { status: 503, retryable: true, title: "Still starting" },
  MERIDIAN_DRAINING: { status: 503, retryable: true, title: "Shutting down" },
  MERIDIAN_DEADLINE_EXCEEDED: {
    status: 504,
    retryable: true,
    title: "The call ran out of time before the function was started",
  },
  MERIDIAN_ANSWER_TIMEOUT: {
    status: 504,
    retryable: false,
    title: "The function did not answer in time",
  },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** A failure of the outside world or a refused request, with a sentence that says what to do. */
export class MeridianError extends Error {
  readonly code: ErrorCode;
  /** Members added to the problem+json body. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { cause?: unknown; members?: Record<string, unknown> } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "MeridianError";
    this.code = code;
    this.members = options.members ?? {};
  }
}

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === "string" && Object.hasOwn(ERRORS, text);
}
