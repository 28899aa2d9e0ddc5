import { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import { federatorsNearestFirst } from "#lib/find-federators.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import { type ApiBodyLimit, apiBodyLimit } from "../core/limit-api-body.ts";
import { callersHeaders, withoutHopHeaders } from "../core/hop-headers.ts";
import { traceParentOf } from "../core/trace-context.ts";
import type { IdentifiedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Answer } from "../ports.ts";

export interface FederatorPass {
  readonly handle: Handler<IdentifiedCall>;
  readonly close: () => Promise<void>;
}

export interface FederatorPassOptions {
  readonly zone: string;
  readonly discovery: Discovery;
  readonly bootToken: string;
  /** The caller's address as far as it can be believed. */
  readonly clientIp: (call: IdentifiedCall) => string;
}

const CONNECT_TIMEOUT_MS = 1_000;
const AWAKE_TIMEOUT_MS = 1_000;
/** Reading answers at once; a write may wait for an election of the catalog. */
const READ_TIMEOUT_MS = 5_000;
const WRITE_TIMEOUT_MS = 60_000;
const NOT_CONNECTED = new Set(["ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT"]);
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS"]);
const CLAIMS: readonly string[] = [
  INVOCATION_HEADERS.bootToken,
  INVOCATION_HEADERS.traceParent,
  INVOCATION_HEADERS.traceState,
  "host",
];

/** Passes a request of the management API on to this zone's federator, else to any other, streaming both ways. */
export function passToFederator(options: FederatorPassOptions): FederatorPass {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    keepAliveTimeout: 4_000,
    pipelining: 1,
    bodyTimeout: 0,
  });
  return {
    handle: async (call) => {
      const limit = apiBodyLimit(call.arrival.method, call.path);
      if (Number(call.arrival.headers["content-length"] ?? 0) > limit.bytesMax)
        throw limit.tooLarge();
      const failures: string[] = [];
      const { discovery, zone: home } = options;
      for (const { zone, url } of federatorsNearestFirst(await discovery.list(), home)) {
        const body = lazyBody(call, limit);
        try {
          await seeAwake(agent, url, call, options);
          return answerOf(await send(agent, url, call, body, options));
        } catch (error) {
          if (error instanceof MeridianError) throw error;
          failures.push(`${zone}: ${error instanceof Error ? error.message : String(error)}`);
          if (!mayRepeat(call, body, error)) throw ambiguous(failures);
        }
      }
      throw unavailable(failures);
    },
    close: () => agent.destroy(),
  };
}

class AsleepError extends Error {
  override readonly name = "AsleepError";
}

/**
 * A federator that stands still takes connections all the same, and what changes something would wait for it until the last limit,
 * since nobody could tell whether it was done. Whatever it answers here, its loop turns.
 */
async function seeAwake(
  agent: Agent,
  url: string,
  { arrival }: IdentifiedCall,
  { bootToken }: FederatorPassOptions,
): Promise<void> {
  try {
    const { body } = await agent.request({
      origin: url,
      path: "/healthz",
      method: "GET",
      headers: { [INVOCATION_HEADERS.bootToken]: bootToken },
      headersTimeout: AWAKE_TIMEOUT_MS,
      signal: arrival.callerGone,
    });
    await body.dump();
  } catch (cause) {
    throw new AsleepError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

interface LazyBody {
  readonly stream: Readable | null;
  readonly hasStarted: () => boolean;
}

/** Read only once a federator takes it, so that one that cannot be reached costs nothing of it. */
function lazyBody({ arrival }: IdentifiedCall, limit: ApiBodyLimit): LazyBody {
  let hasStarted = false;
  async function* read(): AsyncGenerator<Uint8Array> {
    hasStarted = true;
    let bytes = 0;
    for await (const chunk of arrival.streamBody()) {
      bytes += chunk.length;
      if (bytes > limit.bytesMax) throw limit.tooLarge();
      yield chunk;
    }
  }
  return {
    stream: arrival.hasBody ? Readable.from(read(), { objectMode: false }) : null,
    hasStarted: () => hasStarted,
  };
}

function send(
  agent: Agent,
  url: string,
  call: IdentifiedCall,
  body: LazyBody,
  { bootToken, clientIp }: FederatorPassOptions,
): Promise<Dispatcher.ResponseData> {
  const { arrival, path, rawQuery } = call;
  const headers = callersHeaders(arrival.headers);
  for (const name of CLAIMS) delete headers[name];
  return agent.request({
    origin: url,
    path: rawQuery === "" ? path : `${path}?${rawQuery}`,
    method: arrival.method,
    headers: {
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      [INVOCATION_HEADERS.bootToken]: bootToken,
      [INVOCATION_HEADERS.requestId]: call.requestId,
      [INVOCATION_HEADERS.traceParent]: traceParentOf(call.trace),
      ...(call.trace.traceState !== "" && {
        [INVOCATION_HEADERS.traceState]: call.trace.traceState,
      }),
      "x-forwarded-for": clientIp(call),
    },
    body: body.stream,
    headersTimeout: REPEATABLE.has(arrival.method) ? READ_TIMEOUT_MS : WRITE_TIMEOUT_MS,
    signal: arrival.callerGone,
  });
}

const answerOf = ({ statusCode, headers, body }: Dispatcher.ResponseData): Answer => ({
  status: statusCode,
  headers: withoutHopHeaders(headers),
  body,
});

/** Reads may; what changes something only if it surely never reached a federator. */
function mayRepeat(call: IdentifiedCall, body: LazyBody, error: unknown): boolean {
  if (call.arrival.callerGone.aborted || body.hasStarted()) return false;
  if (REPEATABLE.has(call.arrival.method)) return true;
  if (error instanceof AsleepError) return true;
  return error instanceof Error && "code" in error && NOT_CONNECTED.has(String(error.code));
}

const ambiguous = (failures: readonly string[]): MeridianError =>
  new MeridianError(
    "MERIDIAN_WRITE_AMBIGUOUS",
    `The connection to the management API broke off (${failures.join("; ")}): look whether the change was made before you repeat it.`,
  );

const unavailable = (failures: readonly string[]): MeridianError =>
  new MeridianError(
    "MERIDIAN_CONTROL_UNAVAILABLE",
    failures.length === 0
      ? "No federator is known to run; calls of functions are still served."
      : `The management API could not be reached (${failures.join("; ")}); calls of functions are still served.`,
  );
