import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { LINK_PATH, LINK_PROTOCOL } from "#lib/contracts/link-frames.ts";
import type { AgentUsageQuery } from "#lib/contracts/usage.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ServedAnswer } from "../core/read-answer.ts";
import { type AnswerPlace, refusalAnswer } from "./answer-outcome.ts";
import type { ServeExchange } from "./exchange.ts";
import { httpExchange, readAway, sendAnswer } from "./http-exchange.ts";
import { gatewayLinks } from "./gateway-links.ts";
import { readUsageQuery } from "./read-usage-query.ts";

/** The gateway packs its caller's headers, percent-encoded, into one of its own. */
const HEAD_BYTES_MAX = 131_072;
const BODY_TIMEOUT_MS = 60_000;
const NAMES = /^[a-z0-9-]{1,63}$/;
const LOG_LINES_MAX = 10_000;

export interface InvokeServer {
  readonly url: string;
  /**
   * Refuses new calls, by answer, for at least `farewellMs`: a link cut at once would leave a call that is on its way
   * in doubt. Waits for those that run (at most `limitMs`), and closes.
   */
  readonly drain: (farewellMs: number, limitMs: number) => Promise<void>;
}

export interface InvokeServerPorts {
  readonly bootToken: string;
  readonly place: AnswerPlace;
  readonly clock: Clock;
  readonly log: Logger;
  readonly serve: ServeExchange;
  readonly readLogs: (query: LogsRequest) => Promise<readonly unknown[]>;
  readonly readUsage: (query: AgentUsageQuery) => Promise<unknown>;
}

export interface LogsRequest {
  readonly tenant: string;
  readonly functionName: string;
  readonly requestId: string | undefined;
  readonly sinceMs: number;
  readonly limit: number;
}

/** `GET /link`, `POST /invoke`, `GET /ping`, `GET /internal/logs` and `GET /internal/usage`, for holders of the boot token, on loopback. */
export async function startInvokeServer(ports: InvokeServerPorts, port = 0): Promise<InvokeServer> {
  const { place, log } = ports;
  const isAllowed = tokenCheck(ports.bootToken);
  const running = countRunning();
  let isDraining = false;
  const links = gatewayLinks(ports);

  /** Undefined: it was answered. */
  const serve = async (
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServedAnswer | undefined> => {
    if (!isAllowed(request.headers[INVOCATION_HEADERS.bootToken])) throw unauthenticated();
    if (isDraining) throw draining();
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://agent");
    switch (`${request.method} ${pathname}`) {
      case "POST /invoke":
        return ports.serve(httpExchange(request, response));
      case "GET /ping":
        response.writeHead(204).end();
        return undefined;
      case "GET /internal/logs":
        sendJson(response, { items: await ports.readLogs(readLogsRequest(searchParams)) });
        return undefined;
      case "GET /internal/usage":
        sendJson(response, await ports.readUsage(readUsageQuery(searchParams)));
        return undefined;
      default:
        throw new MeridianError(
          "MERIDIAN_NOT_FOUND",
          `${request.method} ${pathname} is not served here: GET ${LINK_PATH}, POST /invoke, GET /ping, GET /internal/logs, GET /internal/usage are.`,
        );
    }
  };
  const refuse = async (request: IncomingMessage, error: unknown): Promise<ServedAnswer> => {
    if (!(error instanceof MeridianError)) log.error({ err: error }, "a request failed");
    await readAway(request);
    return refusalAnswer(place, request.headers[INVOCATION_HEADERS.requestId], error);
  };

  const server = createServer(
    { maxHeaderSize: HEAD_BYTES_MAX, requestTimeout: BODY_TIMEOUT_MS, keepAliveTimeout: 0 },
    (request, response) => {
      running.add(response);
      serve(request, response)
        .catch((error: unknown) => refuse(request, error))
        .then((answer) => {
          return answer === undefined ? undefined : sendAnswer(request, response, answer);
        })
        .catch((error: unknown) => {
          // Nothing is said of what ran: a connection that breaks proves nothing.
          log.error({ err: error }, "an answer could not be sent");
          response.destroy();
        });
    },
  );
  server.on("upgrade", (request, socket: Duplex, first: Buffer) => {
    const isLink = request.url === LINK_PATH && request.headers.upgrade === LINK_PROTOCOL;
    if (!isLink) return refuseUpgrade(socket, 404);
    if (!isAllowed(request.headers[INVOCATION_HEADERS.bootToken]))
      return refuseUpgrade(socket, 401);
    if (isDraining) return refuseUpgrade(socket, 503);
    return links.open(socket, first);
  });
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(port, "127.0.0.1", resolve),
  );
  const { port: boundPort } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${boundPort}`,
    drain: async (farewellMs, limitMs) => {
      isDraining = true;
      await Promise.all([delay(farewellMs), running.settled(limitMs), links.drain(limitMs)]);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Counts the exchanges that are not over. */
function countRunning() {
  let running = 0;
  let onNone: (() => void) | undefined;
  return {
    add: (response: ServerResponse): void => {
      running += 1;
      response.once("close", () => {
        running -= 1;
        if (running === 0) onNone?.();
      });
    },
    /** Resolves when there are none, or after `limitMs`. */
    settled: async (limitMs: number): Promise<void> => {
      if (running === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, limitMs);
      onNone = resolve;
      await promise;
      clearTimeout(timer);
    },
  };
}

/** An upgraded connection is the server's no more; this is the last that is said on it. */
function refuseUpgrade(socket: Duplex, status: number): void {
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
  );
}

function tokenCheck(bootToken: string): (given: string | string[] | undefined) => boolean {
  const expected = Buffer.from(bootToken);
  return (given) => {
    const offered = Buffer.from(typeof given === "string" ? given : "");
    return offered.length === expected.length && timingSafeEqual(offered, expected);
  };
}

function readLogsRequest(query: URLSearchParams): LogsRequest {
  const tenant = query.get("tenant") ?? "";
  const functionName = query.get("function") ?? "";
  const sinceMs = Number(query.get("sinceMs") ?? 0);
  const limit = Number(query.get("limit") ?? 1_000);
  if (!NAMES.test(tenant) || !NAMES.test(functionName))
    throw badQuery("tenant and function are names of a tenant and its function");
  if (!Number.isFinite(sinceMs)) throw badQuery("sinceMs is milliseconds since 1970");
  if (!Number.isInteger(limit) || limit < 1 || limit > LOG_LINES_MAX)
    throw badQuery(`limit is a whole number from 1 to ${LOG_LINES_MAX}`);
  return { tenant, functionName, requestId: query.get("requestId") ?? undefined, sinceMs, limit };
}

function sendJson(response: ServerResponse, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}

const badQuery = (rule: string): MeridianError =>
  new MeridianError("MERIDIAN_BAD_REQUEST", `The query is wrong: ${rule}.`);

const unauthenticated = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_UNAUTHENTICATED",
    `Send this boot's token in ${INVOCATION_HEADERS.bootToken}; only programs of this federation call agents.`,
  );

const draining = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_DRAINING",
    "This cluster's agent is shutting down; the call was not started and may go to another one.",
  );
