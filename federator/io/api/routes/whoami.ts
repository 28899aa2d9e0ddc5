import { Whoami } from "#lib/contracts/api.ts";
import { type Api, callerOf } from "../api-context.ts";

export function whoamiRoutes(api: Api): void {
  api.get(
    "/v1/whoami",
    { config: { action: "whoami.read" }, schema: { response: { 200: Whoami } } },
    async (request): Promise<Whoami> => {
      const { tenant, roles, keyPrefix } = callerOf(request);
      return { tenant, roles: [...roles], keyPrefix };
    },
  );
}
