import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { MeridianError } from "#lib/errors.ts";
import { fromProblem } from "#lib/problem.ts";
import { UnreachableError } from "./failures.ts";

/** Longer than any answer of the management API should take. */
const ANSWER_LIMIT_MS = 60_000;

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** From `/v1/` on. */
  readonly path: string;
  readonly json?: unknown;
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The API as a caller with one key sees it. Problems come as `MeridianError`, no answer as `UnreachableError`. */
export interface ApiClient {
  readonly endpoint: string;
  /** The answer's document, checked against its schema. */
  readonly json: <T extends TSchema>(schema: T, request: ApiRequest) => Promise<Static<T>>;
  /** The answer whatever its status, once its headers are here. */
  readonly raw: (request: ApiRequest) => Promise<Response>;
  /** Only that it succeeded. */
  readonly done: (request: ApiRequest) => Promise<Headers>;
}

export function apiClient(endpoint: string, apiKey: string): ApiClient {
  const raw = async (request: ApiRequest): Promise<Response> => {
    const deadline = AbortSignal.timeout(request.timeoutMs ?? ANSWER_LIMIT_MS);
    const body = request.json === undefined ? request.body : JSON.stringify(request.json);
    try {
      return await fetch(`${endpoint}${request.path}`, {
        method: request.method ?? "GET",
        headers: {
          authorization: `Bearer ${apiKey}`,
          ...(request.json === undefined ? {} : { "content-type": "application/json" }),
          ...request.headers,
        },
        ...(body === undefined ? {} : { body: body as BodyInit }),
        signal: request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]),
      });
    } catch (cause) {
      if (request.signal?.aborted === true) throw cause;
      throw new UnreachableError(endpoint, cause);
    }
  };

  const succeeded = async (request: ApiRequest): Promise<Response> => {
    const response = await raw(request);
    if (response.status >= 400) throw await readFailure(response);
    return response;
  };

  return {
    endpoint,
    raw,
    json: async (schema, request) => {
      const response = await succeeded(request);
      const document: unknown = parseLoosely(await response.text());
      if (Value.Check(schema, document)) return document;
      const mistake = Value.Errors(schema, document)[0];
      throw new Error(
        `${endpoint}${request.path} answered something this version does not understand (${mistake?.instancePath ?? ""} ${mistake?.message ?? ""})`,
      );
    },
    done: async (request) => {
      const response = await succeeded(request);
      await response.arrayBuffer();
      return response.headers;
    },
  };
}

/** The failure that an answer with a status of 400 or more tells of. */
export async function readFailure(response: Response): Promise<MeridianError> {
  const text = await response.text();
  return (
    fromProblem(parseLoosely(text)) ??
    new MeridianError(
      "MERIDIAN_INTERNAL",
      `${response.url} answered ${response.status} without saying why: ${text.slice(0, 200)}`,
    )
  );
}

function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
