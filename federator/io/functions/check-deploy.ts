import type { PlanInputRecord } from "#lib/contracts/control-records.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { Placement } from "#lib/contracts/placement.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import { isFileAndExport, isProgramFile } from "#lib/handler-name.ts";
import { describeLevel, type IsolationWish, isProved, requiredLevel } from "#lib/isolation.ts";
import { permittedZones } from "#lib/residency.ts";
import {
  handlerFiles,
  impossibleVariables,
  knownRegions,
  reservedVariables,
  unknownRegions,
  variablesSetTwice,
} from "../../core/functions/check-manifest.ts";

/** What a schema cannot say of a manifest: names that belong to each other, to the platform, or to nothing. */
export function checkManifest(
  manifest: Omit<FunctionManifest, "placement">,
  functionName: string,
): void {
  if (manifest.name !== functionName)
    throw invalid(
      `The manifest names the function ${manifest.name}, the path ${functionName}; send it to the path of its name.`,
    );
  const reserved = reservedVariables({ ...manifest.environment, ...manifest.secrets });
  if (reserved.length > 0)
    throw invalid(
      `The environment sets ${reserved.join(", ")}, which only the platform may set; choose other names.`,
    );
  const impossible = impossibleVariables(manifest.environment);
  if (impossible.length > 0)
    throw invalid(
      `The environment gives ${impossible.join(", ")} a value with a NUL or half of a surrogate pair, which no process can be given; encode it, as base64 for example.`,
    );
  const twice = variablesSetTwice(manifest);
  if (twice.length > 0)
    throw invalid(
      `Both the environment and the secrets set ${twice.join(", ")}; leave one of them out.`,
    );
  checkScaling(manifest);
  if (manifest.runtime !== "provided" && !isFileAndExport(manifest.handler))
    throw invalid(
      `The handler ${manifest.handler} is not of the form file.export, such as index.handler; ${manifest.runtime} would not find it.`,
    );
  if (manifest.interface === "http") checkServer(manifest);
  if (manifest.hedge === true && !manifest.idempotent)
    throw invalid(
      "A function with `hedge` is started a second time while its first start may still be running; declare it `idempotent` if it can bear that, or leave `hedge` out.",
    );
}

function checkServer({
  handler,
  runtime,
  hedge,
  environment,
}: Omit<FunctionManifest, "placement">): void {
  if (runtime !== "provided" && !isProgramFile(handler, runtime))
    throw invalid(
      `The handler of a server is the file that is run, and ${runtime} runs no ${handler}; name one such as ${runtime === "python" ? "server.py" : "server.mjs"}.`,
    );
  if (hedge === true)
    throw invalid(
      "A server's answers are streamed, and no stream is asked for twice; leave `hedge` out, or make the function a handler.",
    );
  if (Object.hasOwn(environment, "PORT"))
    throw invalid(
      "The environment sets PORT, which tells a server where to listen and is another one for each instance; leave it out.",
    );
}

function checkScaling({ scaling }: Pick<FunctionManifest, "scaling">): void {
  const { minInstances = 0, provisioned = 0, maxInstances } = scaling ?? {};
  const asked = Math.max(minInstances, provisioned);
  if (maxInstances !== undefined && asked > maxInstances)
    throw invalid(
      `The scaling asks for ${asked} instances without a call and allows ${maxInstances}; raise \`maxInstances\`, or ask for fewer.`,
    );
}

/** A fallback has to be there when it is needed: only a version that exists can be one. */
export function checkFallback(
  { name, fallback }: Pick<FunctionManifest, "name" | "fallback">,
  versions: readonly number[],
): void {
  if (fallback?.version === undefined || versions.includes(fallback.version)) return;
  const there = versions.length === 0 ? "none yet" : versions.join(", ");
  throw invalid(
    `The fallback is version ${fallback.version} of ${name}, which is none of its earlier versions (${there}); name one of those, or a fixed answer.`,
  );
}

export function checkPlacement({ regions, clustersMin }: Placement, zones: readonly Zone[]): void {
  const unknown = unknownRegions(regions, zones);
  if (unknown.length > 0)
    throw new MeridianError(
      "MERIDIAN_REGION_UNKNOWN",
      `The placement names ${unknown.join(", ")}, where no zone is; choose from ${knownRegions(zones).join(", ")}.`,
    );
  // Each zone has one cluster.
  const clusters = permittedZones(regions, zones).length;
  if (clusters < clustersMin)
    throw invalid(
      `The placement needs ${clustersMin} clusters or more, and leaves ${clusters} (regions: ${regions.join(", ") || "all"}); allow more regions, or need fewer clusters.`,
    );
}

/** By what the clusters that the placement permits have proved: at least one of them must be good enough. */
export function checkIsolation(
  manifest: IsolationWish,
  permitted: readonly Zone[],
  proved: PlanInputRecord["isolationLevels"] = {},
): void {
  const required = requiredLevel(manifest);
  if (permitted.some(({ clusterId }) => isProved(required, proved[clusterId]))) return;
  const asked = manifest.network === "none" ? `network "none", which needs ${required}` : required;
  const levels = permitted.map(
    ({ clusterId }) => `${clusterId} has proved ${describeLevel(proved[clusterId])}`,
  );
  throw new MeridianError(
    "MERIDIAN_ISOLATION_UNPROVED",
    `The function asks for ${asked}, and no cluster that its placement permits has proved that: ${levels.join(", ")}. \`meridian isolation\` shows which checks fail; ask for less, or permit other regions.`,
  );
}

export function checkHandler(manifest: FunctionManifest, files: readonly string[]): void {
  const wanted = handlerFiles(manifest);
  if (wanted.some((file) => files.includes(file))) return;
  const what =
    manifest.runtime === "provided" ? 'The runtime "provided"' : `The handler ${manifest.handler}`;
  throw new MeridianError(
    "MERIDIAN_HANDLER_MISSING",
    `${what} needs one of the files ${wanted.join(", ")} at the root of the archive, which has none of them.`,
  );
}

const invalid = (detail: string): MeridianError =>
  new MeridianError("MERIDIAN_MANIFEST_INVALID", detail);
