import { Type } from "typebox";
import { Digest } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Api, ApiPorts } from "./api-context.ts";
import { acceptArchives, receiveArchive } from "../code/receive-archive.ts";

const closed = { additionalProperties: false } as const;
const DigestPath = Type.Object({ digest: Digest }, closed);
const ReadQuery = Type.Object({ only: Type.Optional(Type.Literal("size")) }, closed);

/** Code by digest for the federators of other zones and the agents of this one. */
export async function internalCodeRoutes(api: Api, { codeStore, clock }: ApiPorts): Promise<void> {
  api.get(
    "/internal/code/:digest",
    { schema: { hide: true, params: DigestPath, querystring: ReadQuery } },
    async (request, reply) => {
      const { digest } = request.params;
      if (request.query.only === "size") {
        const code = await codeStore.find(digest);
        if (code === undefined) throw notHere(digest);
        return { digest, bytes: code.bytes, place: codeStore.place };
      }
      const archive = await codeStore.read(digest);
      if (archive === undefined) throw notHere(digest);
      return await reply
        .type("application/zip")
        .header("content-length", archive.bytes)
        .send(archive.stream);
    },
  );

  await api.register(async (uploads: Api) => {
    acceptArchives(uploads);
    uploads.put(
      "/internal/code/:digest",
      { schema: { hide: true, params: DigestPath } },
      async (request, reply) => {
        const code = await receiveArchive(request, { codeStore, clock }, request.params.digest);
        reply.code(201);
        return { digest: code.digest, bytes: code.bytes, place: codeStore.place };
      },
    );
  });
}

const notHere = (digest: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_NOT_FOUND",
    `This zone's store has no code with the digest ${digest}; ask another zone's.`,
  );
