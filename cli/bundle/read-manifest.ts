import { readFile } from "node:fs/promises";
import { Value } from "typebox/value";
import { Fallback, FixedAnswer, SentManifest } from "#lib/contracts/function-manifest.ts";
import { PlacementPart } from "#lib/contracts/placement.ts";
import { Scaling } from "#lib/contracts/scaling.ts";
import { MeridianError } from "#lib/errors.ts";
import { nearestWord } from "../nearest-word.ts";

export const MANIFEST_FILE = "meridian.json";

/** Properties of the manifest as flags or a file give them, unchecked. */
export type ManifestPart = Readonly<Record<string, unknown>>;

/** The file's properties; none when there is no such file. */
export async function readManifestFile(path: string): Promise<ManifestPart> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw invalid([`${path} cannot be read: ${error.message}`]);
  });
  return text === undefined ? {} : parseManifestText(text, path);
}

export function parseManifestText(text: string, path: string): ManifestPart {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw invalid([`${path} is not JSON: ${cause instanceof Error ? cause.message : ""}`]);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw invalid([`${path} must hold a JSON object`]);
  return { ...document };
}

/** Flags over the file over the defaults; every mistake is named. Of a placement only what was said: the rest is kept. */
export function completeManifest(
  fallbackName: string,
  file: ManifestPart,
  flags: ManifestPart,
): SentManifest {
  const merged = {
    name: fallbackName,
    ...file,
    ...flags,
    ...bothOf("placement", file, flags),
    ...bothOf("environment", file, flags),
    ...bothOf("secrets", file, flags),
    ...bothOf("scaling", file, flags),
  };
  const candidate = Value.Default(SentManifest, merged);
  if (Value.Check(SentManifest, candidate)) return candidate;
  throw invalid(
    Value.Errors(SentManifest, candidate)
      .filter(({ keyword }) => keyword !== "boolean" && keyword !== "anyOf")
      .map((mistake) => describeMistake(mistake.instancePath, mistake.message, mistake.params)),
  );
}

/** Where in the manifest other keys are known than at its top. */
const PARTS = new Map<string, { readonly properties: object }>([
  ["placement", PlacementPart],
  ["fallback", Fallback],
  ["fallback.answer", FixedAnswer],
  ["scaling", Scaling],
]);

function describeMistake(path: string, message: string, params: object): string {
  const where = path.slice(1).replaceAll("/", ".");
  const prefix = where === "" ? "" : `${where}.`;
  if ("additionalProperties" in params && Array.isArray(params.additionalProperties))
    return params.additionalProperties
      .map((key) => unknownKey(prefix, String(key), PARTS.get(where) ?? SentManifest))
      .join("; ");
  if (where === "name")
    return "name must be 1 to 63 lower-case letters, digits and dashes: give one with --name";
  return `${where} ${message}`;
}

/** Flags are known, so it can only stand in the file. */
function unknownKey(
  prefix: string,
  key: string,
  { properties }: { readonly properties: object },
): string {
  const nearest = nearestWord(key.slice(0, 64), Object.keys(properties));
  const hint = nearest === undefined ? "" : ` (did you mean "${prefix}${nearest}"?)`;
  return `${MANIFEST_FILE} has the unknown key "${prefix}${key}"${hint}`;
}

/** A flag names single members of these; anything but an object is left for the check to refuse. */
function bothOf(key: string, file: ManifestPart, flags: ManifestPart): ManifestPart {
  if (file[key] === undefined && flags[key] === undefined) return {};
  const [low, high] = [file[key] ?? {}, flags[key] ?? {}];
  if (typeof low !== "object" || typeof high !== "object") return {};
  return { [key]: { ...low, ...high } };
}

const invalid = (mistakes: readonly string[]): MeridianError =>
  new MeridianError("MERIDIAN_MANIFEST_INVALID", [...new Set(mistakes)].join("; "));
