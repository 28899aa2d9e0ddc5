import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { CATALOG_BODY_BYTES_MAX, CATALOG_PROBLEM_MEMBERS } from "#lib/contracts/catalog-wire.ts";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { ERRORS, MeridianError } from "#lib/errors.ts";
import { PROBLEM_TYPE, toMeridianError, toProblem } from "#lib/problem.ts";
import type { CatalogRoute, CatalogRoutes } from "./catalog-routes.ts";
import { sendLines } from "./send-lines.ts";

const REQUESTS_MAX = 2_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Longer than any client keeps an idle connection, so that it is never closed under a request. */
const KEEP_ALIVE_MS = 60_000;

export interface CatalogServer {
  readonly url: string;
  /** Ends the watches, finishes the other calls, closes. */
  readonly close: () => Promise<void>;
}

/** The catalog's door for the other programs, on loopback; see `lib/contracts/catalog-wire.ts`. */
export async function startCatalogServer(
  routes: CatalogRoutes,
  bootToken: string,
  log: Logger,
): Promise<CatalogServer> {
  const closing = new AbortController();
  const isOurs = tokenCheck(bootToken);
  let running = 0;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const route = accept(request, isOurs, routes);
    if (running >= REQUESTS_MAX)
      throw new MeridianError("MERIDIAN_CATALOG_UNAVAILABLE", "The catalog has too much to do.");
    running += 1;
    try {
      const body = await readBody(request);
      if (route.kind === "answer") return sendJson(response, 200, await route.act(body));
      await sendLines(response, route.follow, body, closing.signal);
    } finally {
      running -= 1;
    }
  };
  const server = createServer((request, response) => {
    response.once("close", () => {
      if (closing.signal.aborted) setImmediate(() => server.closeIdleConnections());
    });
    answer(request, response).catch((thrown: unknown) => {
      const error = toMeridianError(thrown);
      if (error.code === "MERIDIAN_INTERNAL") log.error({ err: thrown }, "unforeseen failure");
      sendProblem(response, error);
    });
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return {
    url: await listen(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        closing.abort();
      }),
  };
}

function accept(
  request: IncomingMessage,
  isOurs: (token: string) => boolean,
  routes: CatalogRoutes,
): CatalogRoute {
  if (!isOurs(String(request.headers[INVOCATION_HEADERS.bootToken] ?? "")))
    throw new MeridianError("MERIDIAN_UNAUTHENTICATED", "The boot token is missing or wrong.");
  const route = routes.get(request.url ?? "");
  if (route === undefined)
    throw new MeridianError("MERIDIAN_NOT_FOUND", `The catalog has no ${request.url}.`);
  if (request.method !== "POST")
    throw new MeridianError("MERIDIAN_METHOD_NOT_ALLOWED", "Calls to the catalog are POST.");
  return route;
}

/** Compares digests, so that the time taken tells nothing of the token. */
function tokenCheck(bootToken: string): (token: string) => boolean {
  const expected = digest(bootToken);
  return (token) => timingSafeEqual(digest(token), expected);
}

const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > CATALOG_BODY_BYTES_MAX)
      throw new MeridianError(
        "MERIDIAN_BODY_TOO_LARGE",
        `A call to the catalog has at most ${CATALOG_BODY_BYTES_MAX} bytes.`,
      );
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw new MeridianError("MERIDIAN_BODY_INVALID_JSON", "The body is not JSON.", { cause });
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown, type?: string): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": type ?? "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** Once the headers are sent, breaking the connection off is all that is left to say. */
function sendProblem(response: ServerResponse, error: MeridianError): void {
  if (response.headersSent) return void response.destroy();
  const { code, message } = error;
  // What was not read of a refused body must not be taken for the next request.
  if (!response.req.complete) response.setHeader("connection", "close");
  const members = { ...error.members, ...CATALOG_PROBLEM_MEMBERS };
  const problem = toProblem(new MeridianError(code, message, { members }));
  sendJson(response, ERRORS[code].status, problem, PROBLEM_TYPE);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(0, "127.0.0.1", resolve),
  );
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}
