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
  /** The gateway's table revision; the agent waits up to a second until its own has reached it. */
  revision: "meridian-table-revision",
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
  /** Milliseconds per phase of a cold start: `queue;dur=1, sandbox;dur=3, init;dur=31`, as Server-Timing writes it. */
  coldStartPhases: "meridian-cold-start-phases",
  zone: "meridian-zone",
  cluster: "meridian-cluster",
  version: "meridian-version",
  attempts: "meridian-attempts",
  requestId: "x-request-id",
} as const;

/** A synchronous call's body, in and out, as AWS Lambda limits it. */
export const BODY_BYTES_MAX = 6 * 1024 * 1024;
