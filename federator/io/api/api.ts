import { timingSafeEqual } from "node:crypto";
import swagger from "@fastify/swagger";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Api, ApiPorts } from "./api-context.ts";
import { sendProblem, toApiError } from "./api-problems.ts";
import { aliasRoutes } from "./routes/aliases.ts";
import { auditRoutes, internalAuditRoutes } from "./routes/audit.ts";
import { catalogRoutes } from "./routes/catalog.ts";
import { clusterRoutes } from "./routes/clusters.ts";
import { codeRoutes } from "./routes/code.ts";
import { functionRoutes } from "./routes/functions.ts";
import { placementRoutes } from "./routes/placements.ts";
import { keyRoutes } from "./routes/keys.ts";
import { logRoutes } from "./routes/logs.ts";
import { quotaDecisionRoutes } from "./routes/quota-decisions.ts";
import { quotaRequestRoutes } from "./routes/quota-requests.ts";
import { quotaRoutes } from "./routes/quotas.ts";
import { rolloutRoutes } from "./routes/rollouts.ts";
import { secretRoutes } from "./routes/secrets.ts";
import { shiftRoutes } from "./routes/shifts.ts";
import { statusRoutes } from "./routes/status.ts";
import { suspensionRoutes } from "./routes/suspensions.ts";
import { tenantHomeRoutes } from "./routes/tenant-homes.ts";
import { tenantRoutes } from "./routes/tenants.ts";
import { usageRoutes } from "./routes/usage.ts";
import { versionRoutes } from "./routes/versions.ts";
import { whoamiRoutes } from "./routes/whoami.ts";
import { strictValidation } from "./api-validation.ts";
import { auditRefusal, guardRequest } from "./guard-request.ts";
import { internalCodeRoutes } from "./internal-code.ts";
import { internalSecretRoutes } from "./internal-secrets.ts";
import { positionHeaders } from "./position-headers.ts";
import { refuseOtherMethods } from "./refuse-other-methods.ts";
import { tendCode } from "../code/tend-code.ts";

/**
 * Adds the management API `/v1/…`, `/openapi.json`, what federators ask each other of code and audit, and the answer for
 * unknown paths of the whole server. Keeps the zone's code store in order until the server closes.
 */
export async function registerApi(app: FastifyInstance, ports: ApiPorts): Promise<void> {
  await app.register(async (api: Api) => {
    api.setValidatorCompiler(strictValidation);
    // Answers are made from records that were checked; the schemas of responses are for the documentation.
    api.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
    api.decorateRequest("caller", null);
    api.setErrorHandler(async (thrown, request, reply) => {
      const error = toApiError(thrown);
      await auditRefusal(ports, request, error);
      sendProblem(error, request, reply, ports.log);
      return reply;
    });
    api.setNotFoundHandler((request, reply) =>
      sendProblem(notFound(request), request, reply, ports.log),
    );
    api.addHook("onRequest", async (request, reply) => {
      reply.header("x-request-id", request.id);
    });
    // Before the key is looked up: it may be what the caller has just made in another zone.
    positionHeaders(api, ports.replica, ports.clock);
    api.addHook("onRequest", async (request) => guardRequest(ports, request));
    logAnswers(api, ports);
    await refuseOtherMethods(api, async () => {
      await publicRoutes(api, ports);
      await api.register((internal: Api) => internalRoutes(internal, ports));
    });
  });
  keepCodeUntilClosed(app, ports);
}

async function publicRoutes(api: Api, ports: ApiPorts): Promise<void> {
  await api.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Meridian management API", version: "1" },
      components: { securitySchemes: { apiKey: { type: "http", scheme: "bearer" } } },
      security: [{ apiKey: [] }],
    },
  });
  whoamiRoutes(api);
  tenantRoutes(api, ports);
  suspensionRoutes(api, ports);
  tenantHomeRoutes(api, ports);
  keyRoutes(api, ports);
  await codeRoutes(api, ports);
  functionRoutes(api, ports);
  versionRoutes(api, ports);
  aliasRoutes(api, ports);
  placementRoutes(api, ports);
  rolloutRoutes(api, ports);
  secretRoutes(api, ports);
  logRoutes(api, ports);
  quotaRoutes(api, ports);
  quotaRequestRoutes(api, ports);
  quotaDecisionRoutes(api, ports);
  clusterRoutes(api, ports);
  shiftRoutes(api, ports);
  statusRoutes(api, ports);
  if (ports.catalogDesk !== undefined) catalogRoutes(api, ports, ports.catalogDesk);
  auditRoutes(api, ports);
  usageRoutes(api, ports);
  api.get("/openapi.json", { schema: { hide: true } }, async () => api.swagger());
}

/** Between federators and agents: the boot token instead of an API key. */
async function internalRoutes(api: Api, ports: ApiPorts): Promise<void> {
  const expected = Buffer.from(ports.bootToken);
  api.addHook("onRequest", async ({ headers }) => {
    const given = Buffer.from(String(headers[INVOCATION_HEADERS.bootToken] ?? ""));
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new MeridianError(
        "MERIDIAN_UNAUTHENTICATED",
        "This path is for the programs of the federation; call it with their boot token.",
      );
  });
  internalAuditRoutes(api, ports);
  internalSecretRoutes(api, ports);
  await internalCodeRoutes(api, ports);
}

/** Changes and failures at `info`, what was only read at `debug`. */
function logAnswers(api: Api, { log }: ApiPorts): void {
  api.addHook("onResponse", async (request: FastifyRequest, reply: FastifyReply) => {
    const { method, url, id, caller } = request;
    const isRead = method === "GET" || method === "HEAD";
    log[isRead && reply.statusCode < 400 ? "debug" : "info"](
      {
        requestId: id,
        method,
        url,
        status: reply.statusCode,
        tenant: caller?.tenant ?? null,
        durationMs: Math.round(reply.elapsedTime),
      },
      "answered",
    );
  });
}

const notFound = ({ method, url }: FastifyRequest): MeridianError =>
  new MeridianError(
    "MERIDIAN_NOT_FOUND",
    `There is nothing at ${method} ${url.split("?")[0]}; /openapi.json lists what there is.`,
  );

function keepCodeUntilClosed(app: FastifyInstance, ports: ApiPorts): void {
  const closing = new AbortController();
  const tending = tendCode(ports, closing.signal);
  app.addHook("onClose", async () => {
    closing.abort();
    await tending.ended;
  });
}
