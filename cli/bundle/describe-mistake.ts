import { Type } from "typebox";
import type { TLocalizedValidationError } from "typebox/error";
import { Value } from "typebox/value";
import { SentManifest } from "#lib/contracts/function-manifest.ts";
import { NAME_PATTERN } from "#lib/contracts/names.ts";
import { nearestWord } from "../nearest-word.ts";

/** What of a schema helps a person; read from the manifest's own. */
const Readable = Type.Object({
  description: Type.Optional(Type.String()),
  type: Type.Optional(Type.String()),
  minimum: Type.Optional(Type.Number()),
  maximum: Type.Optional(Type.Number()),
  pattern: Type.Optional(Type.String()),
  items: Type.Optional(Type.Unknown()),
  enum: Type.Optional(Type.Array(Type.Unknown())),
  anyOf: Type.Optional(Type.Array(Type.Object({ const: Type.Unknown() }))),
  properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});

/** One sentence on what is wrong with a manifest, in the words of who writes one; `file` is where unknown keys can only stand. */
export function describeMistake(
  { instancePath, message, params }: TLocalizedValidationError,
  file: string,
): string {
  const keys = instancePath.slice(1).split("/");
  const where = instancePath.slice(1).replaceAll("/", ".");
  if ("additionalProperties" in params)
    return params.additionalProperties
      .map((key) => unknownKey(where === "" ? [] : keys, key, file))
      .join("; ");
  if (where === "name")
    return "name must be 1 to 63 lower-case letters, digits and dashes: give one with --name";
  return `${where} must ${wantedAt(keys) ?? message.replace(/^must /, "")}`;
}

function wantedAt(keys: readonly string[]): string | undefined {
  return wantedBy(schemaAt(keys));
}

/** `be one of L0, L1`, or how the schema itself calls it; undefined where its message says enough. */
export function wantedBy(given: unknown): string | undefined {
  const schema = Value.Check(Readable, given) ? given : undefined;
  if (schema?.description !== undefined) return `be ${schema.description}`;
  if (schema?.pattern === NAME_PATTERN) return "be 1 to 63 lower-case letters, digits and dashes";
  const { type, minimum, maximum } = schema ?? {};
  if (minimum !== undefined && maximum !== undefined)
    return `be a ${type === "integer" ? "whole number" : "number"} from ${minimum} to ${maximum}`;
  const choices = schema?.enum ?? schema?.anyOf?.map((one) => one.const);
  return choices === undefined ? undefined : `be one of ${choices.map(String).join(", ")}`;
}

function schemaAt(keys: readonly string[]) {
  let schema: unknown = SentManifest;
  for (const key of keys) {
    if (!Value.Check(Readable, schema)) return undefined;
    schema = /^\d+$/.test(key) ? schema.items : schema.properties?.[key];
  }
  return Value.Check(Readable, schema) ? schema : undefined;
}

/** Flags are known, so it can only stand in the file. */
function unknownKey(within: readonly string[], key: string, file: string): string {
  const prefix = within.map((one) => `${one}.`).join("");
  const known = Object.keys(schemaAt(within)?.properties ?? {});
  const nearest = nearestWord(key.slice(0, 64), known);
  const hint = nearest === undefined ? "" : ` (did you mean "${prefix}${nearest}"?)`;
  return `${file} has the unknown key "${prefix}${key}"${hint}`;
}
