import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import { MeridianError } from "#lib/errors.ts";
import type { CodeStore } from "#lib/ports/code-store.ts";
import { codeTooLarge } from "./archive-intake.ts";

/** An upload may take this long, and be this long without a byte. */
const UPLOAD_TIMEOUT_MS = 10 * 60_000;
const IDLE_TIMEOUT_MS = 30_000;

/** Bodies of type application/zip reach the handlers of this plugin as they arrive, others are refused. */
export function acceptArchives(
  app: Pick<FastifyInstance, "addContentTypeParser" | "removeAllContentTypeParsers">,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/zip", (_request, payload, done) => done(null, payload));
}

/** Stores the request's body; whatever is wrong with it, the connection is left open for the answer. */
export async function receiveArchive(
  request: FastifyRequest,
  codeStore: CodeStore,
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
    return await codeStore.put(digest, arriving(raw), timeout);
  } finally {
    timeout.removeEventListener("abort", giveUp);
  }
}

/** The body, as long as it keeps coming: a sender that stopped gets no answer, its connection is closed. */
async function* arriving(raw: IncomingMessage): AsyncGenerator<Uint8Array, void, undefined> {
  const idle = setTimeout(() => raw.destroy(), IDLE_TIMEOUT_MS);
  try {
    // By default the iterator closes the connection when its reader stops early, and the answer with it.
    for await (const chunk of raw.iterator({ destroyOnReturn: false })) {
      idle.refresh();
      yield chunk;
    }
  } finally {
    clearTimeout(idle);
  }
}
