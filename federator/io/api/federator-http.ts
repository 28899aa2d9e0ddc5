import { randomUUID } from "node:crypto";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify from "fastify";
import type { Logger } from "pino";
import type { Api } from "./api-context.ts";
import { sendProblem, toApiError } from "./api-problems.ts";
import { acceptJson } from "./parse-json-body.ts";

/** What a request may be called by its caller; anything else gets an id of ours. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const HEADERS_TIMEOUT_MS = 10_000;
/** Longer than an upload of code may take: that is refused in its own words. */
const REQUEST_TIMEOUT_MS = 11 * 60_000;
/** Longer than any name, so that it is the route that says what is wrong with one. */
const PARAMETER_LENGTH_MAX = 1_024;

/** fastify as the federator uses it: whatever goes wrong, before or behind its router, is answered as problem+json. */
export function federatorHttp(log: Logger): Api {
  const app = fastify({
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    genReqId: ({ headers }) => {
      const given = headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
    },
    frameworkErrors: (error, request, reply) => sendProblem(toApiError(error), request, reply, log),
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.headersTimeout = HEADERS_TIMEOUT_MS;
  app.setErrorHandler((error, request, reply) =>
    sendProblem(toApiError(error), request, reply, log),
  );
  acceptJson(app);
  return app;
}
