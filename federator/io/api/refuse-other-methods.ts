import type { HTTPMethods } from "fastify";
import { MeridianError } from "#lib/errors.ts";
import type { Api } from "./api-context.ts";

const METHODS: readonly HTTPMethods[] = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
];

/** Lets `addRoutes` add the routes; each of their paths then answers the methods it does not have with 405 and `Allow`. */
export async function refuseOtherMethods(api: Api, addRoutes: () => Promise<void>): Promise<void> {
  const methodsByPath = new Map<string, Set<string>>();
  api.addHook("onRoute", ({ url, method }) => {
    const known = methodsByPath.get(url) ?? new Set<string>();
    for (const one of [method].flat()) known.add(one);
    methodsByPath.set(url, known);
  });
  await addRoutes();
  const paths = [...methodsByPath].map(([url, known]) => ({ url, allowed: [...known] }));
  for (const { url, allowed } of paths)
    api.route({
      url,
      method: METHODS.filter((method) => !allowed.includes(method)),
      schema: { hide: true },
      handler: (_request, reply) => {
        reply.header("allow", allowed.join(", "));
        throw new MeridianError(
          "MERIDIAN_METHOD_NOT_ALLOWED",
          `This path takes ${allowed.join(", ")}.`,
        );
      },
    });
}
