import { Type } from "typebox";
import { keys } from "#lib/contracts/catalog-keys.ts";
import { Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Api, ApiPorts } from "./api-context.ts";
import { readSecret } from "../read-records.ts";

const RevisionPath = Type.Object(
  { tenant: Name, name: Name, revision: Type.String({ pattern: "^[1-9]\\d{0,9}$" }) },
  { additionalProperties: false },
);

/** Secrets for the agents, as the catalog has them: encrypted. */
export function internalSecretRoutes(api: Api, { replica }: ApiPorts): void {
  api.get(
    "/internal/secrets/:tenant/:name/:revision",
    { schema: { hide: true, params: RevisionPath } },
    async (request) => {
      const { tenant, name, revision } = request.params;
      const held = readSecret(replica.get(keys.secret(tenant, name, Number(revision))));
      if (held !== undefined) return held.value;
      throw new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `This zone's replica has no revision ${revision} of the secret ${tenant}/${name}; ask another zone's.`,
      );
    },
  );
}
