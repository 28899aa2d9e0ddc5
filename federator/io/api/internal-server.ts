import { createHash, timingSafeEqual } from "node:crypto";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Logger } from "pino";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Api } from "./api-context.ts";
import { strictValidation } from "./api-validation.ts";
import { federatorHttp } from "./federator-http.ts";
import { type InternalRoutes, internalRoutes } from "./internal-routes.ts";

export interface InternalServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** The federator's one listener: nobody gets in without the boot token, then `/internal/*` and whatever `more` registers. */
export async function startInternalServer(
  bootToken: string,
  port: number,
  log: Logger,
  parts: InternalRoutes,
  more: (app: Api) => Promise<void>,
): Promise<InternalServer> {
  const app = federatorHttp(log);
  app.addHook("onRequest", async (request) => {
    if (isSame(request.headers[INVOCATION_HEADERS.bootToken], bootToken)) return;
    throw new MeridianError(
      "MERIDIAN_UNAUTHENTICATED",
      `Only programs of this federation may ask: send its boot token as ${INVOCATION_HEADERS.bootToken}.`,
    );
  });
  // Feeds never end by themselves, and the server waits for what is open.
  app.addHook("preClose", async () => parts.feed.close());

  await app.register(async (scope) => {
    scope.setValidatorCompiler(strictValidation);
    internalRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), parts);
  });
  /** Whether this loop turns: a gateway asks before it sends on what changes something. */
  app.get("/healthz", () => ({}));
  await more(app);
  const url = await app.listen({ host: "127.0.0.1", port });
  return { url, close: () => app.close() };
}

/** Compares digests, so that neither length nor content shows in the time it takes. */
function isSame(given: string | readonly string[] | undefined, expected: string): boolean {
  if (typeof given !== "string") return false;
  return timingSafeEqual(digest(given), digest(expected));
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
