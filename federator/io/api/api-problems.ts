import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { MeridianError } from "#lib/errors.ts";
import { PROBLEM_TYPE, toMeridianError, toProblem } from "#lib/problem.ts";

/** How long the rest of a refused body is read and thrown away, so that the sender gets to see the answer. */
const DISCARD_TIMEOUT_MS = 10_000;

/** Whatever was thrown, as the failure the caller sees: fastify's own errors become ours. */
export function toApiError(thrown: unknown): MeridianError {
  if (thrown instanceof MeridianError || !(thrown instanceof Error)) return toMeridianError(thrown);
  const code = "code" in thrown ? thrown.code : undefined;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new MeridianError(
        "MERIDIAN_BODY_TOO_LARGE",
        "The body is larger than this path takes; send less.",
      );
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new MeridianError(
        "MERIDIAN_BAD_REQUEST",
        "The body's content type is not taken here; send application/json (code: application/zip).",
      );
    default:
      return "statusCode" in thrown &&
        typeof thrown.statusCode === "number" &&
        thrown.statusCode < 500
        ? new MeridianError("MERIDIAN_BAD_REQUEST", `${thrown.message}.`, { cause: thrown })
        : toMeridianError(thrown);
  }
}

/** Sends the failure as problem+json; what nobody foresaw goes to the log with its cause. */
export function sendProblem(
  error: MeridianError,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): void {
  const problem = toProblem(error, request.id);
  if (problem.status >= 500)
    log.warn(
      { requestId: request.id, method: request.method, url: request.url, err: error },
      "failed",
    );
  if (!request.raw.complete) {
    // fastify would close the connection under a body that is still coming, and the answer would be lost with it.
    reply.removeHeader("connection");
    discardRest(request.raw);
  }
  if (problem.status === 401) reply.header("www-authenticate", 'Bearer realm="meridian"');
  void reply
    .code(problem.status)
    .header("x-request-id", request.id)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problem));
}

function discardRest(raw: IncomingMessage): void {
  const limit = setTimeout(() => raw.destroy(), DISCARD_TIMEOUT_MS);
  limit.unref();
  raw.once("close", () => clearTimeout(limit));
  raw.resume();
}
