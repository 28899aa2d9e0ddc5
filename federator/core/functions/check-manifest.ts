import { BOOTSTRAP_FILE, type FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { Zone } from "#lib/contracts/zone.ts";

/** What `placement.regions` names and no zone lies in. */
export const unknownRegions = (
  regions: readonly string[],
  zones: readonly Zone[],
): readonly string[] =>
  regions.filter((region) => !zones.some((z) => z.region === region || z.jurisdiction === region));

/** Regions and jurisdictions that a placement may name, for the error that says so. */
export const knownRegions = (zones: readonly Zone[]): readonly string[] => [
  ...new Set(zones.flatMap((zone) => [zone.region, zone.jurisdiction])),
];

const RESERVED_PREFIXES = ["AWS_LAMBDA_", "MERIDIAN_", "LD_"];
const RESERVED_NAMES = [
  "_HANDLER",
  "LAMBDA_TASK_ROOT",
  "LAMBDA_RUNTIME_DIR",
  "NODE_OPTIONS",
  "PYTHONHOME",
];

/** Names in a manifest's environment that are the platform's: it sets them itself, or they would reach into how it starts instances. */
export const reservedVariables = (
  environment: FunctionManifest["environment"],
): readonly string[] =>
  Object.keys(environment).filter(
    (name) =>
      RESERVED_NAMES.includes(name) || RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix)),
  );

/** Variables whose value no process can be given as it stands: text with a NUL in it, or half of a surrogate pair. */
export const impossibleVariables = (
  environment: FunctionManifest["environment"],
): readonly string[] =>
  Object.entries(environment).flatMap(([name, value]) =>
    value.includes("\0") || !value.isWellFormed() ? [name] : [],
  );

/** Variables that would have both a value and a secret. */
export const variablesSetTwice = ({
  environment,
  secrets = {},
}: Pick<FunctionManifest, "environment" | "secrets">): readonly string[] =>
  Object.keys(secrets).filter((name) => Object.hasOwn(environment, name));

const EXTENSIONS = { node: [".js", ".mjs", ".cjs"], python: [".py"] } as const;

/** The files of an archive that may hold what is run, best first. */
export function handlerFiles(manifest: FunctionManifest): readonly string[] {
  if (manifest.runtime === "provided") return [BOOTSTRAP_FILE];
  const { handler } = manifest;
  const named = handler.startsWith("./") ? handler.slice(2) : handler;
  if (manifest.interface === "http") return [named];
  const path = named.slice(0, named.lastIndexOf("."));
  return EXTENSIONS[manifest.runtime].map((extension) => path + extension);
}

/** Stores that must hold the code before the version exists: two, or as many as the residency leaves. */
export const codeZonesMin = (residencyZones: number): number => Math.min(2, residencyZones);
