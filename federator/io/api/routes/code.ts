import { CodeStored } from "#lib/contracts/api.ts";
import type { Api, ApiPorts } from "../api-context.ts";
import { acceptArchives, receiveArchive } from "../../code/receive-archive.ts";
import { limitUploads } from "../../code/limit-uploads.ts";
import { codeReceipt } from "../../code/code-receipt.ts";
import { CodePath } from "./schemas.ts";

/** Staging writes no catalog; an archive that no version comes to use is swept away after a while. */
export async function codeRoutes(
  api: Api,
  { codeStore, clock, bootToken }: ApiPorts,
): Promise<void> {
  const limited = limitUploads();
  await api.register(async (uploads: Api) => {
    acceptArchives(uploads);
    uploads.put(
      "/v1/tenants/:tenant/code/:digest",
      {
        config: { action: "code.upload" },
        schema: { params: CodePath, consumes: ["application/zip"], response: { 201: CodeStored } },
      },
      async (request, reply): Promise<CodeStored> => {
        const { tenant, digest: asked } = request.params;
        const { digest, bytes, files } = await limited(tenant, () =>
          receiveArchive(request, { codeStore, clock }, asked),
        );
        reply.code(201);
        return {
          digest,
          bytes,
          files: files.length,
          receipt: codeReceipt(bootToken, tenant, digest),
        };
      },
    );
  });
}
