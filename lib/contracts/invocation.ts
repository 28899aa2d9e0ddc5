/*
 * Gateway → agent, in the head of a call on their link (`link-frames.ts`), or over HTTP/1.1 where the agent knows no links:
 * `POST /invoke`, the caller's body as it came. Names are lower case, as Node gives them.
 * Answers of the agent are the answer for the caller plus the `meridian-*` headers below.
 */
export const INVOCATION_HEADERS = {
  bootToken: "meridian-boot-token",
  tenant: "meridian-tenant",
  functionName: "meridian-function",
  version: "meridian-function-version",
  requestId: "x-request-id",
  /** Whole milliseconds left when the request was sent; the agent gives up by then. */
  deadlineMs: "meridian-deadline-ms",
  /** 1 for the first try of a call. */
  attempt: "meridian-attempt",
  /** `invoke` for `:invoke`, `http` for `/fn/…`. */
  door: "meridian-door",
  /** For the HTTP door: the caller's method, path below the function, query, host and address, as JSON, percent-encoded. */
  httpRequest: "meridian-http-request",
  /** W3C Trace Context, with the gateway's span as the parent; absent from gateways of the version before. */
  traceParent: "traceparent",
  traceState: "tracestate",
  /** The gateway's table revision; the agent waits up to a second until its own has reached it. */
  revision: "meridian-table-revision",
  /** The name that the caller asked for; keys are good for one alias. */
  alias: "meridian-alias",
  /** The caller's `Idempotency-Key`: the agent answers further calls with it as it did the first. */
  idempotencyKey: "meridian-idempotency-key",
  /** An AWS SDK's `amz-sdk-invocation-id`, which all attempts of one call have in common. Not beside an `Idempotency-Key`. */
  sdkInvocationId: "meridian-sdk-invocation-id",
} as const;

/** What `meridian-http-request` carries. `headers` are the caller's, lower case, values joined as Node joins them. */
export interface HttpRequestParts {
  readonly method: string;
  readonly path: string;
  readonly rawQuery: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  readonly sourceIp: string;
  readonly domainName: string;
}

export const ANSWER_HEADERS = {
  /** `false` proves that the handler was not started: the call may go elsewhere. Only on answers that are not the function's. */
  executed: "meridian-executed",
  /** `Handled` or `Unhandled`: the body is the function's own error. */
  functionError: "meridian-function-error",
  /** The code of a platform failure, from `lib/errors.ts`. */
  errorCode: "meridian-error-code",
  /** `true` when the call waited for an instance to start. */
  coldStart: "meridian-cold-start",
  /** Milliseconds per phase of a cold start: `queue;dur=1, sandbox;dur=3, init;dur=31`, as Server-Timing writes it; before them `pool;desc=hit` where a process waited for it. */
  coldStartPhases: "meridian-cold-start-phases",
  /** Milliseconds the cluster took: `queue;dur=0.0, run;dur=31.2`, waiting for an instance and in the handler. */
  timing: "meridian-timing",
  /** Where a call went and why, as JSON (`routing-receipt.ts`): to a request with `Meridian-Receipt: 1`. */
  receipt: "meridian-receipt",
  /** `true`: the answer of an earlier call with the same key; the function did not run for this one. */
  replayed: "meridian-replayed",
  /** The request id of that call: the function's log has it under this one. */
  replayOf: "meridian-replay-of",
  /** To a call with an `Idempotency-Key`: whether further ones get this answer, see `REPLAY_KEPT`. Absent: of an agent that knows no keys. */
  replayKept: "meridian-replay-kept",
  zone: "meridian-zone",
  cluster: "meridian-cluster",
  version: "meridian-version",
  attempts: "meridian-attempts",
  /** The function's circuit is open everywhere: an older `version` answered, or the fixed `answer` of its manifest. */
  fallback: "meridian-fallback",
  requestId: "x-request-id",
} as const;

export const REPLAY_KEPT = {
  answer: "true",
  /** The store has no room for the answer, or lost it: the function does not run again, and the answer cannot be given again. */
  keyAlone: "key",
  /** The store has no room for the key: a further call with it runs the function again. */
  nothing: "false",
} as const;

/** A synchronous call's body, in and out, as AWS Lambda limits it. */
export const BODY_BYTES_MAX = 6 * 1024 * 1024;
