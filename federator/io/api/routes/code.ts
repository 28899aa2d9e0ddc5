import { CodeStored } from "#lib/contracts/api.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { acceptArchives, receiveArchive } from "../../code/receive-archive.ts";
import { CodePath } from "./schemas.ts";

/** Staging writes no catalog; an archive that no version comes to use is swept away after a while. */
export async function codeRoutes(api: Api, { codeStore }: ApiPorts): Promise<void> {
  await api.register(async (uploads: Api) => {
    acceptArchives(uploads);
    uploads.put(
      "/v1/tenants/:tenant/code/:digest",
      {
        config: { action: "code.upload" },
        schema: { params: CodePath, consumes: ["application/zip"], response: { 201: CodeStored } },
      },
      async (request, reply): Promise<CodeStored> => {
        const { digest, bytes, files } = await receiveArchive(
          request,
          codeStore,
          request.params.digest,
        );
        reply.code(201);
        return { digest, bytes, files: files.length };
      },
    );
  });
}
