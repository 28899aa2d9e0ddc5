import { MeridianError } from "#lib/errors.ts";
import type { Api } from "./api-context.ts";

/** JSON bodies as fastify reads them, but that a forbidden key is called by its name. */
export function acceptJson(
  app: Pick<Api, "addContentTypeParser" | "removeContentTypeParser">,
): void {
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser(
    "application/json",
    { parseAs: "string" },
    async (_request: unknown, text: string) => parseJsonBody(text),
  );
}

function parseJsonBody(text: string): unknown {
  const body = parse(text);
  const key = forbiddenKey(body);
  if (key === undefined) return body;
  throw new MeridianError(
    "MERIDIAN_BAD_REQUEST",
    `The body has the key ${key}, which is not taken anywhere in a body; leave it out.`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MeridianError(
      "MERIDIAN_BODY_INVALID_JSON",
      "The content type says JSON, and the body cannot be parsed as such; send valid JSON.",
      { cause },
    );
  }
}

/** Copied carelessly, these would change what all objects are. Not recursive: a body may be nested as deep as it is long. */
function forbiddenKey(body: unknown): string | undefined {
  const left: unknown[] = [body];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, "__proto__")) return "__proto__";
    for (const [key, member] of Object.entries(value)) {
      const isObject = typeof member === "object" && member !== null;
      if (key === "constructor" && isObject && Object.hasOwn(member, "prototype"))
        return "constructor.prototype";
      left.push(member);
    }
  }
  return undefined;
}
