import type { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import { fromProblem } from "#lib/problem.ts";

export interface InternalRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly json?: unknown;
  readonly body?: Readable | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** The whole exchange, body included; streams are bounded by their signal alone. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Calls between programs: boot token on each, a deadline on each, problems come back as `MeridianError`s. */
export interface InternalClient {
  /** The parsed JSON answer; undefined for an empty one. Unreachable is MERIDIAN_CONTROL_UNAVAILABLE with its cause. */
  readonly json: (baseUrl: string, request: InternalRequest) => Promise<unknown>;
  /** The answer's body as it arrives; the headers must come within `timeoutMs`. The reader ends it through the signal. */
  readonly stream: (baseUrl: string, request: InternalRequest) => Promise<Readable>;
  readonly close: () => Promise<void>;
}

export function internalClient(bootToken: string): InternalClient {
  const agent = new Agent({
    connect: { timeout: 1_000 },
    bodyTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: 4_000,
    pipelining: 1,
  });

  const send = async (
    baseUrl: string,
    request: InternalRequest,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    const headers: Record<string, string> = {
      ...request.headers,
      [INVOCATION_HEADERS.bootToken]: bootToken,
    };
    if (request.json !== undefined) headers["content-type"] = "application/json";
    try {
      const response = await agent.request({
        origin: baseUrl,
        path: request.path,
        method: request.method ?? "GET",
        headers,
        body: request.json === undefined ? (request.body ?? null) : JSON.stringify(request.json),
        signal,
      });
      if (response.statusCode < 400) return response;
      throw await failure(baseUrl, request, response);
    } catch (cause) {
      if (cause instanceof MeridianError) throw cause;
      throw new MeridianError(
        "MERIDIAN_CONTROL_UNAVAILABLE",
        `${baseUrl}${request.path} did not answer: ${String(cause)}`,
        { cause },
      );
    }
  };

  return {
    json: async (baseUrl, request) => {
      const response = await send(baseUrl, request, bounded(request));
      const text = await response.body.text().catch((cause: unknown) => {
        throw new MeridianError(
          "MERIDIAN_CONTROL_UNAVAILABLE",
          `${baseUrl}${request.path} broke off: ${String(cause)}`,
          { cause },
        );
      });
      return text === "" ? undefined : JSON.parse(text);
    },
    stream: async (baseUrl, request) => {
      const waiting = new AbortController();
      const timer = setTimeout(
        () => waiting.abort(new Error(`no answer in ${request.timeoutMs} ms`)),
        request.timeoutMs,
      );
      try {
        const signals =
          request.signal === undefined ? [waiting.signal] : [waiting.signal, request.signal];
        return (await send(baseUrl, request, AbortSignal.any(signals))).body;
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => agent.destroy(),
  };
}

function bounded(request: InternalRequest): AbortSignal {
  const deadline = AbortSignal.timeout(request.timeoutMs);
  return request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]);
}

async function failure(
  baseUrl: string,
  request: InternalRequest,
  response: Dispatcher.ResponseData,
): Promise<MeridianError> {
  const text = await response.body.text();
  const problem = fromProblem(parse(text));
  return (
    problem ??
    new MeridianError(
      "MERIDIAN_CONTROL_UNAVAILABLE",
      `${baseUrl}${request.path} answered ${response.statusCode}: ${text.slice(0, 200)}`,
    )
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
