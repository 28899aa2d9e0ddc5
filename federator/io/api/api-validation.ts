import type { FastifySchemaCompiler } from "fastify";
import { type TSchema, Type } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import { KEY_ID_PATTERN } from "#lib/contracts/api.ts";
import { DIGEST_PATTERN, NAME_PATTERN } from "#lib/contracts/names.ts";
import { type ErrorCode, MeridianError } from "#lib/errors.ts";

interface Mistake {
  readonly path: string;
  readonly message: string;
}

/** Mistakes listed in one answer; who has more learns of the rest next time. */
const MISTAKES_MAX = 50;

/**
 * Strict where fastify's own is lenient: nothing is converted (but the whole numbers of a query, which can only come as text),
 * nothing unknown is dropped, all mistakes come at once. Absent properties get their defaults.
 */
export const strictValidation: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const compiled = Compile(schema);
  const hasDefaults = JSON.stringify(schema).includes('"default":');
  return (value: unknown) => {
    const given = httpPart === "querystring" ? withNumbers(schema, value) : (value ?? {});
    const candidate = hasDefaults ? Value.Default(schema, given) : given;
    if (compiled.Check(candidate)) return { value: candidate };
    const mistakes = compiled
      .Errors(candidate)
      .flatMap(({ instancePath, message, params }) => mistakesAt(instancePath, message, params))
      .slice(0, MISTAKES_MAX);
    return { error: invalid(httpPart ?? "request", mistakes) };
  };
};

/** What fastify calls the parts of a request, and people do not. */
const SUBJECTS: ReadonlyMap<string, string> = new Map([
  ["querystring", "query"],
  ["params", "path"],
]);

/** Patterns of what people write themselves, in words. */
const WORDS: ReadonlyMap<string, string> = new Map([
  [NAME_PATTERN, "must be 1 to 63 lower-case letters, digits and dashes, with no dash at the ends"],
  [KEY_ID_PATTERN, "must be the id of a key as the list of keys shows it: 16 of 0-9 and a-f"],
  [DIGEST_PATTERN, "must be sha256: and 64 of 0-9 and a-f"],
]);

function invalid(part: string, mistakes: readonly Mistake[]): MeridianError {
  const isManifest =
    mistakes.length > 0 && mistakes.every(({ path }) => path.startsWith("/manifest"));
  const code: ErrorCode = isManifest ? "MERIDIAN_MANIFEST_INVALID" : "MERIDIAN_BAD_REQUEST";
  const lines = mistakes.map(({ path, message }) => `${path === "" ? "/" : path} ${message}`);
  const subject = SUBJECTS.get(part) ?? part;
  return new MeridianError(code, `The ${subject} does not fit: ${lines.join("; ")}.`, {
    members: { errors: mistakes },
  });
}

/** One mistake for each unknown property, by its own path. */
function mistakesAt(path: string, message: string, params: object): readonly Mistake[] {
  if (message === "schema is false") return [];
  if ("additionalProperties" in params && Array.isArray(params.additionalProperties))
    return params.additionalProperties.map((name) => ({
      path: `${path}/${String(name)}`,
      message: "is not known here",
    }));
  if ("allowedValues" in params && Array.isArray(params.allowedValues))
    return [{ path, message: `${message}: ${params.allowedValues.join(", ")}` }];
  if (path.endsWith("/fallback") && /propert/.test(message))
    return [{ path, message: 'must be {"version": NUMBER} or {"answer": {…}}, and not both' }];
  const words = "pattern" in params ? WORDS.get(String(params.pattern)) : undefined;
  return [{ path, message: words ?? message }];
}

function withNumbers(schema: TSchema, query: unknown): Record<string, unknown> {
  const given: Record<string, unknown> = { ...(typeof query === "object" ? query : {}) };
  if (!Type.IsObject(schema)) return given;
  for (const [name, shape] of Object.entries(schema.properties)) {
    const text = given[name];
    if (Type.IsInteger(shape) && typeof text === "string" && /^\d{1,15}$/.test(text))
      given[name] = Number(text);
  }
  return given;
}
