import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { MeridianError } from "#lib/errors.ts";
import { fromProblem } from "#lib/problem.ts";
import { BrokenOffError, UnreachableError } from "./failures.ts";
import { exchange, type HttpAnswer } from "./http-exchange.ts";

/** Longer than any answer of the management API should take. */
const ANSWER_LIMIT_MS = 60_000;
/** Before a further try: 50, 100 and 200 ms. */
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 200;
/** What took longer to fail was no gateway that died. */
const REPEAT_WITHIN_MS = 5_000;
/** Codes of a connection that never came to be. */
const NOT_CONNECTED = /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** From `/v1/` on. */
  readonly path: string;
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The API as a caller with one key sees it. Problems come as `MeridianError`, no answer as `NoAnswerError`. */
export interface ApiClient {
  readonly endpoint: string;
  /** The answer whatever its status. */
  readonly raw: (request: ApiRequest) => Promise<HttpAnswer>;
  /** The answer's document, checked against its schema. */
  readonly json: <T extends TSchema>(schema: T, request: ApiRequest) => Promise<Static<T>>;
  /** The same, with the headers it came with. */
  readonly jsonWithHeaders: <T extends TSchema>(
    schema: T,
    request: ApiRequest,
  ) => Promise<{ readonly document: Static<T>; readonly headers: IncomingHttpHeaders }>;
  /** Only that it succeeded. */
  readonly done: (request: ApiRequest) => Promise<void>;
}

export function apiClient(endpoint: string, apiKey: string): ApiClient {
  const raw = async (request: ApiRequest): Promise<HttpAnswer> => {
    const limit = AbortSignal.timeout(request.timeoutMs ?? ANSWER_LIMIT_MS);
    const body = request.json === undefined ? request.body : JSON.stringify(request.json);
    try {
      return await exchange(new URL(`${endpoint}${request.path}`), {
        method: request.method ?? "GET",
        headers: {
          authorization: `Bearer ${apiKey}`,
          "content-length": body === undefined ? 0 : Buffer.byteLength(body),
          ...(request.json === undefined ? {} : { "content-type": "application/json" }),
          ...request.headers,
        },
        ...(body === undefined ? {} : { body }),
        signal: request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]),
      });
    } catch (cause) {
      if (request.signal?.aborted === true) throw cause;
      throw wasRefused(cause)
        ? new UnreachableError(endpoint, cause)
        : new BrokenOffError(endpoint, cause);
    }
  };

  /** A gateway that dies leaves its port to others: what cannot have been done, or only reads, is asked again. */
  const patiently = async (request: ApiRequest): Promise<HttpAnswer> => {
    const startedAtMs = performance.now();
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs *= 2)
      try {
        return await raw(request);
      } catch (error) {
        const mayRepeat =
          error instanceof UnreachableError ||
          (error instanceof BrokenOffError && (request.method ?? "GET") === "GET");
        const isLate = performance.now() - startedAtMs > REPEAT_WITHIN_MS;
        if (!mayRepeat || isLate || pauseMs > PAUSE_MAX_MS) throw error;
        await sleep(pauseMs);
      }
  };

  const succeeded = async (request: ApiRequest): Promise<HttpAnswer> => {
    const answer = await patiently(request);
    if (answer.status >= 400) throw failureIn(answer, `${endpoint}${request.path}`);
    return answer;
  };

  const jsonWithHeaders: ApiClient["jsonWithHeaders"] = async (schema, request) => {
    const { body, headers } = await succeeded(request);
    const document = parseLoosely(body.toString("utf8"));
    if (Value.Check(schema, document)) return { document, headers };
    const mistake = Value.Errors(schema, document)[0];
    throw new Error(
      `${endpoint}${request.path} answered something this version does not understand (${mistake?.instancePath ?? ""} ${mistake?.message ?? ""})`,
    );
  };

  return {
    endpoint,
    raw,
    jsonWithHeaders,
    json: async (schema, request) => (await jsonWithHeaders(schema, request)).document,
    done: async (request) => void (await succeeded(request)),
  };
}

/** The failure that an answer with a status of 400 or more tells of. */
export function failureIn({ status, headers, body }: HttpAnswer, url: string): MeridianError {
  const text = body.toString("utf8");
  const requestId = headers["x-request-id"];
  return (
    fromProblem(parseLoosely(text)) ??
    new MeridianError(
      "MERIDIAN_INTERNAL",
      `${url} answered ${status} without saying why: ${text.slice(0, 200)}`,
      { members: requestId === undefined ? {} : { requestId } },
    )
  );
}

function wasRefused(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(wasRefused);
  return error instanceof Error && "code" in error && NOT_CONNECTED.test(String(error.code));
}

function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
