import type { FastifyInstance, FastifyRequest } from "fastify";
import { CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CodeStore } from "#lib/ports/code-store.ts";
import { arrivingBody } from "./arriving-body.ts";
import { codeTooLarge } from "./archive-intake.ts";

const UPLOAD_TIMEOUT_MS = 10 * 60_000;

/** Bodies of type application/zip reach the handlers of this plugin as they arrive, others are refused. */
export function acceptArchives(
  app: Pick<FastifyInstance, "addContentTypeParser" | "removeAllContentTypeParsers">,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/zip", (_request, payload, done) => done(null, payload));
}

export interface ArchiveGround {
  readonly codeStore: CodeStore;
  readonly clock: Clock;
}

/** Stores the request's body; whatever is wrong with it, the connection is left open for the answer. */
export async function receiveArchive(
  request: FastifyRequest,
  { codeStore, clock }: ArchiveGround,
  digest: string,
): ReturnType<CodeStore["put"]> {
  const { raw } = request;
  if (!String(request.headers["content-type"]).startsWith("application/zip"))
    throw new MeridianError(
      "MERIDIAN_BAD_REQUEST",
      "Send the code as a zip file, with the content type application/zip.",
    );
  const timeout = AbortSignal.timeout(UPLOAD_TIMEOUT_MS);
  const giveUp = () => raw.destroy();
  timeout.addEventListener("abort", giveUp);
  try {
    if (Number(request.headers["content-length"] ?? 0) > CODE_BYTES_MAX) throw codeTooLarge();
    return await codeStore.put(digest, arrivingBody(raw, clock), timeout);
  } finally {
    timeout.removeEventListener("abort", giveUp);
  }
}
