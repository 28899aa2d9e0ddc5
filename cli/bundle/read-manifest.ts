import { readFile } from "node:fs/promises";
import { Value } from "typebox/value";
import { SentManifest } from "#lib/contracts/function-manifest.ts";
import { MeridianError } from "#lib/errors.ts";
import { describeMistake } from "./describe-mistake.ts";

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
      .map((mistake) => describeMistake(mistake, MANIFEST_FILE)),
  );
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
